"""SIGTERM as a question the loop asks between steps, so that a run that is told to stop stops with its work saved."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["stop_requests"]


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether SIGTERM came inside the block.

    Outside the main thread, where Python takes no signals, nothing is changed and the answer is always no.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return

    def note(_number: int, _frame: FrameType | None) -> None:
        came.set()

    earlier = signal.signal(signal.SIGTERM, note)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGTERM, earlier)
