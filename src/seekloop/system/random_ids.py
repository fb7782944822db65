"""Ids that nobody can guess, out of random bytes that are fetched in blocks.

A call of the system gives up Python's lock and has to win it back from other threads, which takes longer than the call.
"""

from __future__ import annotations

import os
import secrets
import threading

__all__ = ["RandomIds"]


class RandomIds:
    """Hex digits from the system's random numbers. Any thread may ask; a forked process has digits of its own.

    Args:
        length: hex digits of each id; even.
        block: ids whose digits are fetched at once.
    """

    def __init__(self, length: int, *, block: int = 256) -> None:
        self._length = length
        self._block = block
        self._lock = threading.Lock()
        self._ids: list[str] = []
        os.register_at_fork(after_in_child=self._forked)

    def next(self) -> str:
        """The next one."""
        with self._lock:
            if not self._ids:
                digits = secrets.token_hex(self._length * self._block // 2)
                self._ids = [digits[at : at + self._length] for at in range(0, len(digits), self._length)]
            return self._ids.pop()

    def _forked(self) -> None:
        self._lock, self._ids = threading.Lock(), []
