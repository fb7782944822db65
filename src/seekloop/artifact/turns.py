"""Whose turn it is to write to a SQLite file: processes that write all the time take it in turns, without long pauses.

SQLite's own waiting sleeps for longer and longer, so of two busy writers one may wait a second while the other writes
a thousand times. Nothing is promised here: whoever waits for long goes on to SQLite's queue, and to its patience.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Turns"]

_look_s, _longest_s = 0.0003, 1.0
_after_you_s = 0.0006


class Turns:
    """Use it from one thread at a time.

    Args:
        file: of the database; two empty files stand beside it.
    """

    def __init__(self, file: Path) -> None:
        self._turn, self._waiting = (
            os.open(file.with_name(f"{file.name}.{name}"), os.O_RDWR | os.O_CREAT, 0o600)
            for name in ("turn", "waiting")
        )
        # Not every ledger is closed by hand.
        self._end = weakref.finalize(self, _close, self._turn, self._waiting)
        self._had = False

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Write inside the block."""
        if self._had and not self._nobody_waits():
            time.sleep(_after_you_s)
        if not _taken(self._turn):
            fcntl.flock(self._waiting, fcntl.LOCK_SH)
            try:
                until = time.monotonic() + _longest_s
                while not _taken(self._turn) and time.monotonic() < until:
                    time.sleep(_look_s)
            finally:
                fcntl.flock(self._waiting, fcntl.LOCK_UN)
        try:
            yield
        finally:
            self._had = True
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the files."""
        self._end()

    def _nobody_waits(self) -> bool:
        alone = _taken(self._waiting)
        if alone:
            fcntl.flock(self._waiting, fcntl.LOCK_UN)
        return alone


def _close(*files: int) -> None:
    for file in files:
        os.close(file)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
