"""The loop's lease while somebody works under it: kept by a thread, given back at the end."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.artifact.leases import Lease
from seekloop.artifact.ledger import Ledger
from seekloop.system.errors import LedgerError

__all__ = ["NAME", "Held", "holding"]

NAME = "loop"
"""Of the lease: one cycle at a time in a ledger."""


class Held:
    """A lease that this process holds, as far as it knows."""

    def __init__(self, ledger: Ledger, lease: Lease, *, seconds: float) -> None:
        self.lease = lease
        self.lost = False
        """Whether somebody else was seen to have taken it. What is decided is refused in any case."""
        self._ledger = ledger
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="loop lease", daemon=True)

    def start(self) -> None:
        """Keep it from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop keeping it, and give it back."""
        self._over.set()
        self._thread.join()
        self._ledger.leases.give_back(self.lease)

    def _beat(self) -> None:
        while not self._over.wait(self._seconds / 3):
            try:
                kept = self._ledger.leases.keep(self.lease, seconds=self._seconds)
            except LedgerError:
                # A database that is busy or away for a moment: until the lease is over there is time to try again.
                continue
            if not kept:
                self.lost = True
                return


@contextlib.contextmanager
def holding(ctx: RunContext, *, seconds: float) -> Iterator[Held | None]:
    """Hold the loop's lease inside the block; None where another process holds it."""
    holder = f"{socket.gethostname()}:{os.getpid()}"
    lease = ctx.ledger.leases.take(NAME, holder=holder, seconds=seconds, actor=ctx.actor, ended=_is_gone)
    if lease is None:
        yield None
        return
    held = Held(ctx.ledger, lease, seconds=seconds)
    held.start()
    try:
        yield held
    finally:
        held.stop()


def _is_gone(holder: str) -> bool:
    """Whether a holder is a process of this machine that has ended; of others nothing is known."""
    machine, _, process = holder.rpartition(":")
    return machine == socket.gethostname() and Path("/proc/self").exists() and not Path(f"/proc/{process}").exists()
