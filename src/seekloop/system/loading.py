"""One model is loaded at a time in a process.

transformers 5 switches weight tying and initialisation off for the whole process while it loads, and puts back what it
found there. Two threads that load at once find each other's switch: from then on no model of the process is tied, and a
tied head stays as random as it was made.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

__all__ = ["one_at_a_time"]

_lock = threading.RLock()


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold this around whatever makes or loads a transformers model; other threads wait."""
    with _lock:
        yield
