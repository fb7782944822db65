"""A small ASGI application on a socket of this machine: until interrupted, or in a thread while a block runs."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from seekloop.serve.sockets import bound_to, url_of
from seekloop.system.errors import UsageError

__all__ = ["in_thread", "listen"]

_longest_idle_s = 30
_at_once = 256


def listen(app: ASGIApp, *, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        app: what answers.
        host: address to listen on.
        port: 0 takes a free one.
        announce: called with the URL once requests are answered.

    Raises:
        UsageError: the port is taken.
    """
    with _bound(host, port) as bound:
        announce(url_of(bound))
        _server(app).run(sockets=[bound])


@contextlib.contextmanager
def in_thread(app: ASGIApp) -> Iterator[str]:
    """Serve from a thread on a free port of 127.0.0.1 while the block runs; gives the URL."""
    with _bound("127.0.0.1", 0) as bound:
        server = _server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="web")
        thread.start()
        try:
            yield url_of(bound)
        finally:
            server.should_exit = True
            thread.join()


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_at_once,
        timeout_keep_alive=_longest_idle_s,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return bound_to(host, port, backlog=128)
    except OSError as error:
        raise UsageError("human.cannot_listen", host=host, port=port, reason=error.strerror or error) from error
