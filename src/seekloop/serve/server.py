"""The gateway on a socket: `serve_forever` in this process, on a thread of its own in `in_thread`.

`python -m seekloop.serve.server --project DIR` is what `ServerProcess` starts.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
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
from seekloop.serve.access.entry import check_entry
from seekloop.serve.engines import opener
from seekloop.serve.keys import Keyring
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.serve.processes import Herd, stop_at_eof
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
    need("httptools", extra="serve")
    from seekloop.serve.gateway import Gateway
    from seekloop.serve.guard.guard import guard_key

    place = Place(project)
    options = options.model_copy(update={"cache": options.cache.beside(place.state)})
    store = place.store()
    ledger = Ledger.in_folder(place.state)
    try:
        yield Gateway(
            store=store,
            ledger=ledger,
            keyring=Keyring.of_project(place.state, ledger=ledger, options=options.access),
            opener=opener(store, options),
            options=options,
            secret=guard_key(place.state),
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

    With `options.upstream.processes` above 1 this process starts them, and starts them again when they die.

    Args:
        project: the project's folder.
        alias: whose release is served.
        host: address to listen on.
        port: 0 takes any free one; the address is in `.seekloop/serve.json` while the gateway runs.
        options: limits and waits; `alias` is put into them.
        announce: called with the URL once it listens.
        until_eof: stop as well when standard input ends, which it does when the parent process dies.

    Raises:
        UsageError: the port is taken, the project's key is not private, or keys would cross a network in clear.
        LedgerError: the ledger cannot be opened.
        EngineError: several processes, and a release that runs on an engine of this machine.
    """
    chosen = (options or GatewayOptions()).model_copy(update={"alias": alias})
    check_entry(host, chosen.access)
    tls = chosen.access.tls_cert is not None
    if chosen.upstream.processes > 1:
        herd = Herd(Place(project), options=chosen, host=host, port=port)
        with _announced(Place(project), herd.url, announce=announce):
            herd.run(until_eof=until_eof)
        return
    with (
        open_gateway(project, options=chosen) as gateway,
        _bound(host, port) as bound,
        _announced(Place(project), url_of(bound, tls=tls), announce=announce),
    ):
        _run(gateway, bound, until_eof=until_eof)


@contextlib.contextmanager
def _announced(place: Place, url: str, *, announce: Callable[[str], None] | None) -> Iterator[None]:
    """Tell where it listens, as long as the block lasts."""
    try:
        write_whole(place.address, json.dumps({"url": url, "pid": os.getpid()}).encode())
        if announce is not None:
            announce(url)
        yield
    finally:
        place.address.unlink(missing_ok=True)


def _run(gateway: Gateway, bound: socket.socket, *, until_eof: bool) -> None:
    """Serve in this process until a signal."""
    server = _listener(gateway, alone=True)
    if until_eof:
        threading.Thread(target=stop_at_eof, args=[server.stop_soon], daemon=True).start()
    # uvicorn raises the signal again when it is done; what is below still has to be closed then.
    before = {number: signal.signal(number, _pass) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run(sockets=[bound])
    finally:
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
        self._server.stop_soon()
        self._thread.join()


@contextlib.contextmanager
def in_thread(gateway: Gateway, *, alone: bool = False) -> Iterator[Running]:
    """Serve `gateway` from a thread with its own event loop, on a free port of 127.0.0.1, until the block ends.

    Args:
        gateway: what answers.
        alone: whether the process is for this gateway only.
    """
    with _bound("127.0.0.1", 0) as bound:
        url = url_of(bound, tls=gateway.options.access.tls_cert is not None)
        running = Running(_listener(gateway, alone=alone), url=url, bound=bound)
        try:
            yield running
        finally:
            running.stop()


def _listener(gateway: Gateway, *, alone: bool = False) -> Listener:
    need("uvicorn", extra="serve")
    from seekloop.serve.listener import Listener

    return Listener(gateway, alone=alone)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return bound_to(host, port, backlog=2048)
    except OSError as error:
        raise UsageError("serve.cannot_listen", host=host, port=port, reason=error.strerror or error) from error


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
    parser.add_argument("--fd", type=int, help="a socket that listens already, from the process that looks after us")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("seekloop").setLevel(logging.INFO)
    options = functools.partial(GatewayOptions.parse, override({}, given.changes))
    try:
        if given.fd is not None:
            chosen = options().model_copy(update={"alias": given.alias})
            with open_gateway(given.project, options=chosen) as gateway, socket.socket(fileno=given.fd) as bound:
                _run(gateway, bound, until_eof=given.until_eof)
            return 0
        serve_forever(
            given.project,
            alias=given.alias,
            host=given.host,
            port=given.port,
            options=options(),
            until_eof=given.until_eof,
        )
    except SeekloopError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
