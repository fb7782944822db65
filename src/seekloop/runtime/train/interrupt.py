"""SIGTERM and Ctrl-C as a question that the loop asks, so that a run that is told to stop stops with its work saved."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["stop_requests"]


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether SIGTERM or SIGINT came inside the block; it may be asked from any thread.

    A second SIGINT is not waited with: it interrupts at once, as without the block. Outside the main thread, where
    Python takes no signals, nothing is changed and the answer is always no.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return

    def note(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and came.is_set():
            raise KeyboardInterrupt
        came.set()

    earlier = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield came.is_set
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
