"""Listening sockets of this machine, bound before a server starts, so that a taken port is told at once."""

from __future__ import annotations

import socket

__all__ = ["bound_to", "url_of"]


def bound_to(host: str, port: int, *, backlog: int, shared: bool = False) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Args:
        host: address of this machine.
        port: to listen on.
        backlog: connections that wait to be taken.
        shared: other sockets may listen there as well, and the kernel gives each its share of the connections.

    Raises:
        OSError: the port is taken, or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only on sockets that say they are TCP; each answer would wait 40 ms otherwise.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
        bound.listen(backlog)
    except OSError:
        bound.close()
        raise
    return bound


def url_of(bound: socket.socket, *, tls: bool = False) -> str:
    """Where it answers."""
    host, port = bound.getsockname()[:2]
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
