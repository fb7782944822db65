"""Where a result came from: our code, the installed packages, the machine."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
from pathlib import Path

from seekloop import __version__
from seekloop.system import digests, settings

__all__ = ["code_version", "hardware", "lock_digest"]


@functools.cache
def code_version() -> str:
    """Version and digest of our own source files: `0.1.0+src.3f9c…`; edits change it, a commit alone does not."""
    root = Path(__file__).parent.parent
    files = sorted(path for path in root.rglob("*") if path.suffix in {".py", ".toml", ".jinja", ".json", ".yaml"})
    listing = [[path.relative_to(root).as_posix(), digests.of_file(path)] for path in files]
    return f"{__version__}+src.{digests.of_json(listing).removeprefix('sha256:')[:12]}"


@functools.cache
def lock_digest() -> str:
    """Digest of every installed package and its version: what `pip freeze` would print."""
    installed = {(d.metadata["Name"] or "").lower(): d.version for d in importlib.metadata.distributions()}
    return digests.of_json(sorted(installed.items()))


@functools.cache
def hardware() -> dict[str, str | int]:
    """Processor, cores, memory in MiB, system: circumstances of a run, never part of a result's identity."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip() for line in cpuinfo.read_text("utf-8").splitlines() if "model name" in line
        ]
        cpu = names[0] if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return {
        "cpu": cpu,
        "cores": settings.cores(),
        "memory_mib": memory,
        "system": platform.system(),
        "python": platform.python_version(),
    }
