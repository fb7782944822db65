"""TLS, and no address but this machine's own without it."""

import datetime as dt
import ipaddress
import ssl
import subprocess
import sys

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from seekloop.serve.access.entry import check_entry, trust_of
from seekloop.serve.access.options import AccessOptions
from seekloop.system.errors import UsageError


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Files of a self-signed certificate for 127.0.0.1 and of its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "seekloop test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.write_bytes(key.private_bytes(*form))
    return str(cert_file), str(key_file)


def test_the_gateway_answers_over_tls_and_not_in_clear(world, pair):
    access = AccessOptions(tls_cert=pair[0], tls_key=pair[1])
    with world.serving(access=access) as served:
        assert served.url.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=pair[0])
        answer = httpx2.get(f"{served.url}/livez", verify=trusted)
        assert answer.json() == {"status": "ok"}
        with pytest.raises(httpx2.ConnectError, match=r"(?i)certificate"):
            httpx2.get(f"{served.url}/livez")
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{served.url.replace('https', 'http')}/livez")
        assert httpx2.get(f"{served.url}/livez", verify=trust_of(access)).status_code == 200
        with pytest.raises(httpx2.ConnectError):
            old = ssl.create_default_context(cafile=pair[0])
            old.maximum_version = ssl.TLSVersion.TLSv1_1
            httpx2.get(f"{served.url}/livez", verify=old)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "", "127.0.0.1.example.com", "localhost."]
)
def test_another_address_is_refused_without_tls(host, pair):
    with pytest.raises(UsageError) as refused:
        check_entry(host, AccessOptions())
    assert refused.value.code == "access.in_clear"
    assert "--behind-proxy" in refused.value.hint("en")
    check_entry(host, AccessOptions(behind_proxy=True))
    check_entry(host, AccessOptions(tls_cert=pair[0], tls_key=pair[1]))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_no_tls(host):
    check_entry(host, AccessOptions())
    with pytest.raises(UsageError):
        check_entry(f"{host}.", AccessOptions())


def test_files_that_do_not_go_together_are_told_before_anything_starts(pair, tmp_path):
    for cert, key in ((pair[1], pair[0]), (pair[0], str(tmp_path / "none"))):
        with pytest.raises(UsageError) as refused:
            check_entry("127.0.0.1", AccessOptions(tls_cert=cert, tls_key=key))
        assert refused.value.code == "access.tls_bad"


def test_a_certificate_needs_its_key():
    with pytest.raises(UsageError, match="tls_cert and tls_key go together"):
        AccessOptions.parse({"tls_cert": "a.pem"})


def test_the_server_says_in_one_sentence_why_it_does_not_listen(tmp_path):
    command = [sys.executable, "-m", "seekloop.serve.server", "--project", str(tmp_path), "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "0.0.0.0 without TLS" in done.stderr
    assert "Traceback" not in done.stderr
