"""TLS, and the refusal to be reachable from elsewhere without it."""

from __future__ import annotations

import ipaddress
import ssl

from seekloop.serve.access.options import AccessOptions
from seekloop.system.errors import UsageError

__all__ = ["check_entry", "trust_of"]


def check_entry(host: str, options: AccessOptions) -> None:
    """Make sure that keys do not cross a network in clear, and that the certificate can be used.

    Args:
        host: address to listen on.
        options: certificate and key, or that a proxy in front has them.

    Raises:
        UsageError: another address than this machine's own without TLS, or a certificate or key that is none.
    """
    if options.tls_cert is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(options.tls_cert, options.tls_key)
        except OSError as error:
            cert, key = options.tls_cert, options.tls_key
            raise UsageError("access.tls_bad", cert=cert, key=key, reason=error.strerror or error) from error
    elif not options.behind_proxy and not _is_here(host):
        raise UsageError("access.in_clear", host=host)


def trust_of(options: AccessOptions) -> ssl.SSLContext | bool:
    """How a client on this machine, which knows the gateway by its files, checks who answers.

    Raises:
        UsageError: as for `check_entry`.
    """
    if options.tls_cert is None:
        return True
    check_entry("127.0.0.1", options)
    context = ssl.create_default_context(cafile=options.tls_cert)
    # The certificate is for the name that others call; here it is the file that counts.
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
