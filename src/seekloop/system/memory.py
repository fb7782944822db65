"""What this process holds in memory, and the most that it held, as Linux counts it."""

from __future__ import annotations

import contextlib
import ctypes
import resource
from pathlib import Path

__all__ = ["PeakMeter", "free_bytes", "give_back", "resident_bytes"]

_status, _refs, _info = Path("/proc/self/status"), Path("/proc/self/clear_refs"), Path("/proc/meminfo")


class PeakMeter:
    """The peak of resident memory since it was made.

    Linux keeps one peak a process and can set it back (`5` to `clear_refs`, proc(5)). Where that is not possible the
    peak is that of the whole process so far, and `exact` says so.
    """

    def __init__(self) -> None:
        self.exact = False
        with contextlib.suppress(OSError):
            _refs.write_text("5")
            self.exact = True

    def peak_bytes(self) -> int:
        """The peak, in bytes."""
        if self.exact:
            return _field(_status, "VmHWM")
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def give_back() -> None:
    """Give memory that was freed back to the system, where the C library can be told to (glibc's malloc_trim)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes() -> int:
    """Bytes of this process that are in memory now; without /proc, the most that ever were."""
    if _status.exists():
        return _field(_status, "VmRSS")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def free_bytes() -> int | None:
    """Bytes of this machine that can be had without swapping; None where the system does not say."""
    return _field(_info, "MemAvailable") if _info.exists() else None


def _field(path: Path, name: str) -> int:
    lines = path.read_text("ascii", errors="replace").splitlines()
    found = next(line for line in lines if line.startswith(f"{name}:"))
    return int(found.split()[1]) * 1024
