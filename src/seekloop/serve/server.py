"""The gateway on a socket: `serve_forever` in this process, on a thread of its own in `in_thread`.

`python -m seekloop.serve.server --project DIR` is what `ServerProcess` starts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seekloop.artifact.ledger import Ledger
from seekloop.serve.engines import opener
from seekloop.serve.keys import Keyring
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.system.errors import SeekloopError, UsageError
from seekloop.system.files import write_whole
from seekloop.system.lazy import need
from seekloop.system.spec import override

if TYPE_CHECKING:
    import uvicorn

    from seekloop.serve.gateway import Gateway

__all__ = ["in_thread", "open_gateway", "serve_forever"]


@contextlib.contextmanager
def open_gateway(project: Path, *, options: GatewayOptions) -> Iterator[Gateway]:
    """The gateway over a project's store and ledger, which are closed with the block.

    Raises:
        LedgerError: the ledger cannot be opened.
        UsageError: the project's key is not private.
        MissingPackage: fastapi is not installed.
    """
    need("fastapi", extra="serve")
    from seekloop.serve.gateway import Gateway

    place = Place(project)
    store = place.store()
    ledger = Ledger.in_folder(place.state)
    try:
        yield Gateway(
            store=store,
            ledger=ledger,
            keyring=Keyring.of_project(place.state),
            opener=opener(store, options),
            options=options,
        )
    finally:
        ledger.close()


def serve_forever(
    project: Path,
    *,
    alias: str = "production",
    host: str = "127.0.0.1",
    port: int = 0,
    options: GatewayOptions | None = None,
    announce: Callable[[str], None] | None = None,
    until_eof: bool = False,
) -> None:
    """Serve a project's alias until SIGTERM or SIGINT; requests in flight are finished first.

    Args:
        project: the project's folder.
        alias: whose release is served.
        host: address to listen on.
        port: 0 takes any free one; the address is in `.seekloop/serve.json` while the gateway runs.
        options: limits and waits; `alias` is put into them.
        announce: called with the URL once it listens.
        until_eof: stop as well when standard input ends, which it does when the parent process dies.

    Raises:
        UsageError: the port is taken, or the project's key is not private.
        LedgerError: the ledger cannot be opened.
    """
    chosen = (options or GatewayOptions()).model_copy(update={"alias": alias})
    with open_gateway(project, options=chosen) as gateway, _listening(host, port) as listener:
        server = _server(gateway)
        address = Place(project).address
        if until_eof:
            threading.Thread(target=_stop_at_eof, args=[server], daemon=True).start()
        # uvicorn raises the signal again when it is done; what is below still has to be closed then.
        before = {number: signal.signal(number, _pass) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            write_whole(address, json.dumps({"url": _url(listener), "pid": os.getpid()}).encode())
            if announce is not None:
                announce(_url(listener))
            server.run(sockets=[listener])
        finally:
            address.unlink(missing_ok=True)
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def in_thread(gateway: Gateway) -> Iterator[str]:
    """Serve `gateway` from a thread with its own event loop, on a free port of 127.0.0.1; gives the URL."""
    with _listening("127.0.0.1", 0) as listener:
        server = _server(gateway)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="gateway")
        thread.start()
        try:
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join()


def _server(gateway: Gateway) -> uvicorn.Server:
    need("uvicorn", extra="serve")
    import uvicorn

    from seekloop.serve.app import build_app

    config = uvicorn.Config(
        build_app(gateway),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=max(1, round(gateway.options.drain_s)),
    )
    return uvicorn.Server(config)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise UsageError("serve.cannot_listen", host=host, port=port, reason=error.strerror) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _stop_at_eof(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


def _pass(*_: object) -> None:
    """Nothing: uvicorn has already acted on the signal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve as the arguments say; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m seekloop.serve.server", description=__doc__)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--alias", default="production")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--until-eof", action="store_true")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        serve_forever(
            given.project,
            alias=given.alias,
            host=given.host,
            port=given.port,
            options=GatewayOptions.parse(override({}, given.changes)),
            until_eof=given.until_eof,
        )
    except SeekloopError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
