"""What a report probes beside the rows of its dataset."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["ProbesSpec"]


class ProbesSpec(Spec):
    """Forgetting, safety and leaks. Every report asks a little of each set; what costs more is asked for."""

    general: bool | None = None
    """Ask 60 questions that any assistant should know. None: 12 of them, and all 60 where at least 900 rows are asked,
    so that they are less than a tenth of the work. false: none."""
    passages: bool = False
    """Read 20 passages of plain text with this checkpoint and with its base, and tell the bits a byte and their rise.
    """
    safety: bool | None = None
    """Ask the 62 questions of the red-team set. None: 12 of them, with shorter answers. false: none."""
    judge: Literal["rules"] = "rules"
    """Who judges the answers to it."""
    leaks: Literal["say", "refuse", "off"] = "say"
    """What to do where rows that are asked are near duplicates of rows that the checkpoint was trained on."""
    similarity: float = Field(default=0.9, ge=0.7, le=1)
    """From which likeness on a row counts as a near duplicate."""
