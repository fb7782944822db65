"""Several gateway processes on one address: started, looked after, and ended together.

Each has a listening socket of its own (SO_REUSEPORT), which this process made and keeps: connections that come while
a process is being started again wait in its socket. Engines cannot be shared, so only upstreams are served this way.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from seekloop.artifact.kinds import Checkpoint, Release
from seekloop.artifact.ledger import Ledger
from seekloop.runtime.endpoint.served import FORM
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.serve.sockets import bound_to, url_of
from seekloop.system import digests
from seekloop.system.errors import EngineError, UsageError

__all__ = ["Herd", "stop_at_eof"]

_look_s, _closing_s = 0.05, 15.0
_young_s, _deaths = 3.0, 5
"""A process that ends before it is so old was never well; after so many in a row something is wrong with all."""


@dataclass
class _Member:
    """One process and its socket."""

    bound: socket.socket
    process: subprocess.Popen[bytes]
    started: float
    early: int = 0
    """How often in a row it ended young."""


class Herd:
    """`options.processes` gateway processes.

    Args:
        place: the project.
        options: of each.
        host: address to listen on.
        port: 0 takes any free one.

    Raises:
        UsageError: the port is taken.
        EngineError: the alias stands for a release that runs on an engine of this machine.
    """

    def __init__(self, place: Place, *, options: GatewayOptions, host: str, port: int) -> None:
        _check(place, options)
        self._place = place
        # Each tells its figures to the others, so that a scrape of any one is of all.
        figures = place.state / "figures"
        shutil.rmtree(figures, ignore_errors=True)
        telemetry = options.telemetry.model_copy(update={"share": options.telemetry.share or figures})
        self._options = options.model_copy(update={"telemetry": telemetry})
        self._ending = threading.Event()
        try:
            # Without sharing first: else we would share the port with whoever shares it already.
            with bound_to(host, port, backlog=1) as free:
                port = free.getsockname()[1]
            self._sockets = [bound_to(host, port, backlog=2048, shared=True) for _ in range(options.upstream.processes)]
        except OSError as error:
            raise UsageError("serve.cannot_listen", host=host, port=port, reason=error.strerror or error) from error
        self.url = url_of(self._sockets[0], tls=options.access.tls_cert is not None)
        """Where they listen."""

    def run(self, *, until_eof: bool = False) -> None:
        """Serve until SIGTERM, SIGINT or `stop`; requests in flight are finished first.

        Raises:
            EngineError: the processes end as soon as they are started.
        """
        if until_eof:
            threading.Thread(target=stop_at_eof, args=[self.stop], daemon=True).start()
        before = {number: signal.signal(number, self._told) for number in (signal.SIGTERM, signal.SIGINT)}
        members: list[_Member] = []
        try:
            members += [_Member(bound, self._started(bound), time.monotonic()) for bound in self._sockets]
            while not self._ending.wait(_look_s):
                for member in members:
                    self._look_after(member)
        finally:
            self._end(members)
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """Have them finish what is in flight and end."""
        self._ending.set()

    def _told(self, *_: object) -> None:
        self.stop()

    def _look_after(self, member: _Member) -> None:
        """Start it again where it has ended."""
        code = member.process.poll()
        if code is None:
            return
        _let_go(member.process)
        now = time.monotonic()
        member.early = member.early + 1 if now - member.started < _young_s else 0
        if member.early >= _deaths:
            raise EngineError("processes.keep_dying", reason=f"exit code {code}")
        member.process, member.started = self._started(member.bound), now

    def _started(self, bound: socket.socket) -> subprocess.Popen[bytes]:
        number = bound.fileno()
        command = [sys.executable, "-m", "seekloop.serve.server", "--until-eof", "--fd", str(number)]
        command += ["--project", str(self._place.project), "--alias", self._options.alias]
        changed = self._options.model_dump(mode="json", exclude_defaults=True, exclude={"alias"})
        command += [part for name, value in changed.items() for part in ("--set", f"{name}={json.dumps(value)}")]
        # A session of its own: Ctrl-C reaches it through us, once, in our order.
        return subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[number], start_new_session=True)

    def _end(self, members: list[_Member]) -> None:
        """Listen no more, let requests in flight finish, and make sure of the end."""
        for bound in self._sockets:
            bound.close()
        for member in members:
            member.process.terminate()
        deadline = time.monotonic() + self._options.drain_s + _closing_s
        for member in members:
            try:
                member.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
            _let_go(member.process)


def stop_at_eof(stop: Callable[[], None]) -> None:
    """Call `stop` when standard input ends, which it does when the process that started this one dies."""
    # Not through sys.stdin: its lock, held by a waiting thread, aborts the interpreter when it exits.
    while os.read(0, 4096):
        pass
    stop()


def _let_go(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _check(place: Place, options: GatewayOptions) -> None:
    """Refuse what only one process can hold, before anything is started."""
    ledger = Ledger.in_folder(place.state)
    try:
        alias = ledger.alias(options.alias)
    finally:
        ledger.close()
    if alias is None:
        return
    store = place.store()
    checkpoint = store.open(store.open(alias.target, Release).checkpoint, Checkpoint)
    if checkpoint.form != FORM:
        raise EngineError("processes.one_engine", id=digests.short(checkpoint.id))
