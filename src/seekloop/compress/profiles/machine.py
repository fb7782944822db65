"""What this machine has of what a profile needs, as the machine itself says it: an absent answer is no yes."""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path

from seekloop.compress.profiles.profile import Profile
from seekloop.system.lazy import need
from seekloop.system.memory import free_bytes

__all__ = ["Capabilities", "here", "missing"]

_cpuinfo = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """A machine."""

    arch: str
    flags: frozenset[str]
    """Of its processor; empty where the system does not tell."""
    free: int | None
    """Bytes of memory that can be had; None: the system does not tell."""
    devices: tuple[str, ...] | None
    """OpenVINO's; None: OpenVINO is not installed."""


def here() -> Capabilities:
    """This machine."""
    return Capabilities(arch=platform.machine(), flags=_flags(), free=free_bytes(), devices=_devices())


def missing(profile: Profile, machine: Capabilities) -> list[str]:
    """What the machine lacks of what the profile needs; empty: nothing."""
    needs = profile.needs
    found = []
    if "arch" in needs and machine.arch not in needs["arch"]:
        found.append(f"{'/'.join(needs['arch'])} (here: {machine.arch})")
    elif "flags" in needs:
        found += [flag for flag in needs["flags"] if flag not in machine.flags]
    if "openvino" in needs:
        if machine.devices is None:
            found.append(f"OpenVINO {needs['openvino']} (openvino is not installed)")
        elif not any(one.partition(".")[0] == needs["openvino"] for one in machine.devices):
            found.append(f"OpenVINO {needs['openvino']} (here: {', '.join(machine.devices) or '-'})")
    return found


def _flags() -> frozenset[str]:
    """`flags` on x86, `Features` on ARM."""
    if not _cpuinfo.exists():
        return frozenset()
    for line in _cpuinfo.read_text("utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def _devices() -> tuple[str, ...] | None:
    if importlib.util.find_spec("openvino") is None:
        return None
    return tuple(need("openvino", extra="openvino").Core().available_devices)
