"""Candidates of a search of shapes, and which of them none other beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["TRIAL", "Trial", "front"]

TRIAL = "shapes.trial"
"""Kind of the ledger's event for a measurement."""


@dataclass(kw_only=True)
class Trial:
    """One candidate and what it measured."""

    number: int
    dials: dict[str, Any]
    checkpoint: str = ""
    accuracy: float = 0.0
    """Share of validation rows that it answers right."""
    n: int = 0
    latency_ms: float = 0.0
    size_mb: float = 0.0
    seconds: float = 0.0
    """Of making and measuring it."""
    failed: str = ""
    """Why it could not be made; empty: it was."""

    @property
    def shape(self) -> str:
        """The dials in words."""
        return ", ".join(f"{name} {value}" for name, value in self.dials.items())

    @property
    def said(self) -> str:
        """Dials and figures in a line."""
        figures = f"accuracy {self.accuracy:.3f}, {self.latency_ms:.0f} ms, {self.size_mb:.1f} MB"
        return f"{self.shape}: {self.failed or figures}"


def front(trials: Sequence[Trial]) -> list[Trial]:
    """Those that no other is as good as in accuracy, latency and size and better in one; equal ones once; fastest
    first."""
    good = [trial for trial in trials if not trial.failed]
    kept: dict[tuple[float, float, float], Trial] = {}
    for trial in good:
        if not any(_beats(other, trial) for other in good):
            kept.setdefault(_figures(trial), trial)
    return sorted(kept.values(), key=lambda trial: (trial.latency_ms, trial.size_mb, trial.number))


def _figures(trial: Trial) -> tuple[float, float, float]:
    """All to be low."""
    return -trial.accuracy, trial.latency_ms, trial.size_mb


def _beats(one: Trial, other: Trial) -> bool:
    a, b = _figures(one), _figures(other)
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))
