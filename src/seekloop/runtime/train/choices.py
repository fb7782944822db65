"""What `auto` means for a run: settled once, said aloud, and kept with the run so that every attempt computes alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from seekloop.model.arithmetic import parameters
from seekloop.model.memory import CHUNK, Load, peak, total
from seekloop.model.shapes import shape_of
from seekloop.model.trained import Trained
from seekloop.runtime.train.precision import Precision, fastest
from seekloop.system import digests, provenance, settings
from seekloop.system.errors import ModelError
from seekloop.system.files import write_whole
from seekloop.system.progress import Progress

__all__ = ["Choices", "Need", "memory_bytes", "settle"]

_usable = 0.8
"""Share of the memory that a run may plan with."""
_record = "precision.json"


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How a run computes."""

    precision: Precision
    checkpointing: bool


@dataclass(frozen=True, kw_only=True)
class Need:
    """What memory depends on."""

    config: Mapping[str, Any]
    """The model's."""
    trainable: int
    tokens: int
    """Of the largest micro-batch."""
    workers: int
    """Micro-batches at one time."""


def settle(
    *,
    precision: Literal["fp32", "bf16", "auto"],
    checkpointing: Literal["auto", "on", "off"],
    need: Need,
    kept: Path,
    progress: Progress,
) -> Choices:
    """The choices of a run: those in `kept` where an earlier attempt made them, else new ones, written there.

    `auto` depends on this machine and never on its load: the speed of bf16 was measured once (`precision.fastest`), and
    memory is all that this process may have, whoever else uses it now.
    """
    if kept.is_file():
        return Choices(**json.loads(kept.read_bytes()))
    chosen = Choices(
        precision=_fastest(progress) if precision == "auto" else precision,
        checkpointing=_is_tight(need, progress) if checkpointing == "auto" else checkpointing == "on",
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(kept, digests.canonical(asdict(chosen)))
    return chosen


def memory_bytes() -> int:
    """Memory that this process may have: the machine's, or less where its control group has a limit."""
    whole = int(provenance.hardware()["memory_mib"]) * 2**20
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text("utf-8").strip() if limit.is_file() else ""
    return min(whole, int(text)) if text.isdecimal() else whole


def _fastest(progress: Progress) -> Precision:
    chosen, speed = fastest(settings.home() / _record)
    progress.say(f"precision: {chosen}; products in bf16 were measured at {speed:.2f} times the speed of fp32 here")
    return chosen


def _is_tight(need: Need, progress: Progress) -> bool:
    """Whether a run would not fit without checkpointing."""
    try:
        load = Load(
            trained=_counted(need),
            tokens=need.tokens * need.workers,
            labelled=CHUNK * need.workers,
            workers=need.workers,
        )
        needed = total(peak(need.config, load))
    except ModelError:
        progress.say("checkpointing: off; the memory of this architecture is not known")
        return False
    usable = memory_bytes() * _usable
    if needed <= usable:
        return False
    progress.say(
        f"checkpointing: on; {needed / 2**30:.1f} GiB would be needed without it, "
        f"and {usable / 2**30:.1f} GiB can be used"
    )
    return True


def _counted(need: Need) -> Trained:
    """What is trained, as far as its number tells."""
    whole = need.trainable >= parameters(need.config) - shape_of(need.config).routers
    added = 0 if whole else need.trainable
    return Trained(weights=need.trainable, formula="counted", own=whole, added=added, head=whole)
