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
from seekloop.serve.sockets import bound_to, url_of
from seekloop.system.errors import SeekloopError, UsageError
from seekloop.system.files import write_whole
from seekloop.system.lazy import need
from seekloop.system.spec import override

if TYPE_CHECKING:
    from seekloop.serve.gateway import Gateway
    from seekloop.serve.listener import Listener

__all__ = ["Running", "in_thread", "main", "open_gateway", "serve_forever"]


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
    with open_gateway(project, options=chosen) as gateway, _bound(host, port) as bound:
        server = _listener(gateway)
        address = Place(project).address
        if until_eof:
            threading.Thread(target=_stop_at_eof, args=[server], daemon=True).start()
        # uvicorn raises the signal again when it is done; what is below still has to be closed then.
        before = {number: signal.signal(number, _pass) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            write_whole(address, json.dumps({"url": url_of(bound), "pid": os.getpid()}).encode())
            if announce is not None:
                announce(url_of(bound))
            server.run(sockets=[bound])
        finally:
            address.unlink(missing_ok=True)
            for number, handler in before.items():
                signal.signal(number, handler)


class Running:
    """A gateway that serves from a thread."""

    def __init__(self, server: Listener, *, url: str, bound: socket.socket) -> None:
        self.url = url
        """Where it listens."""
        self._server = server
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="gateway")
        self._thread.start()

    def stop(self) -> None:
        """Have it finish what is in flight and end, as SIGTERM does. Again is nothing new."""
        self._server.should_exit = True
        self._thread.join()


@contextlib.contextmanager
def in_thread(gateway: Gateway) -> Iterator[Running]:
    """Serve `gateway` from a thread with its own event loop, on a free port of 127.0.0.1, until the block ends."""
    with _bound("127.0.0.1", 0) as bound:
        running = Running(_listener(gateway), url=url_of(bound), bound=bound)
        try:
            yield running
        finally:
            running.stop()


def _listener(gateway: Gateway) -> Listener:
    need("uvicorn", extra="serve")
    from seekloop.serve.listener import Listener

    return Listener(gateway)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return bound_to(host, port, backlog=2048)
    except OSError as error:
        raise UsageError("serve.cannot_listen", host=host, port=port, reason=error.strerror or error) from error


def _stop_at_eof(server: Listener) -> None:
    # Not through sys.stdin: its lock, held by a waiting thread, aborts the interpreter when it exits.
    while os.read(0, 4096):
        pass
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
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("seekloop").setLevel(logging.INFO)
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
