"""Machines to plan for: this one, or accelerators that are not here, from a table of published peaks."""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from seekloop.system.errors import UsageError

__all__ = ["Machine", "machine", "names"]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a plan needs to know about a machine."""

    name: str
    memory: int
    """Bytes of one device that a run may use."""
    flops: float
    """Operations a second that one device reaches in training."""
    source: str
    """Where the two numbers are from, and what of it is an assumption."""
    count: int = 1
    """Devices."""
    local: bool = False
    """It is the machine that plans: a CPU, fp32, a worker a core."""
    workers: int = 1
    """Micro-batches that are computed at one time on one device."""


def names() -> list[str]:
    """Devices whose numbers are known here."""
    return list(_table()["devices"])


def machine(text: str) -> Machine:
    """The machine that `text` names: `A100 80GB x1`, `h100 x8`.

    Raises:
        UsageError: no such device, or several fit; the likely ones are named.
    """
    match = re.fullmatch(r"(?P<name>.+?)(?:\s*(?<=[\s\dB])[x*×]\s*(?P<count>[1-9]\d*))?", text.strip(), re.IGNORECASE)
    wanted = _plain(match["name"]) if match else ""
    found = [name for name in names() if _plain(name) == wanted] or [n for n in names() if _plain(n).startswith(wanted)]
    if not wanted or len(found) != 1:
        close = found or difflib.get_close_matches(text, names(), n=3, cutoff=0.3) or names()
        raise UsageError("loop.unknown_device", name=text, known=", ".join(close))
    assert match is not None
    entry, table = _table()["devices"][found[0]], _table()
    usable = entry["memory_gib"] - table["reserved_gib"]
    return Machine(
        name=found[0],
        memory=round(usable * 2**30),
        flops=entry["tflops"] * 1e12 * table["efficiency"],
        source=f"{entry['source']}: {entry['tflops']} TFLOP/s x {table['efficiency']} (assumed share of the peak); "
        f"{entry['memory_gib']} GiB less {table['reserved_gib']} for driver and workspaces (assumed)",
        count=int(match["count"] or 1),
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@functools.cache
def _table() -> dict[str, Any]:
    text = resources.files("seekloop.model").joinpath("devices.yaml").read_text("utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table
