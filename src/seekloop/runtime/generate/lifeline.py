"""How an engine process ends with the process that started it, whatever state either is in."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

__all__ = ["end_with"]

_set_parent_death_signal = 1


def end_with(parent: int) -> None:
    """End when standard input does; on Linux, also be killed by the kernel when the process `parent` dies.

    The kernel does it even while this process is stopped or deep in an engine.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    threading.Thread(target=_wait_for_end_of_input, daemon=True).start()


def _wait_for_end_of_input() -> None:
    sys.stdin.read()
    os._exit(0)
