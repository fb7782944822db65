"""What a tracker is: it is told of a run, of each entry of its history, and at the end of the artifact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Run", "Tracker", "figures"]

Entry = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Run:
    """The run that is reported."""

    id: str
    """The same for every attempt at the run, so that one that goes on is one run there too."""
    folder: Path
    """Of this tracker, for all runs of the project; made where a tracker writes to it."""
    facts: Mapping[str, Any]
    """Spec, dataset, checkpoint and seed: what the run was made of."""


class Tracker(Protocol):
    """Called from one thread of its own, in this order; what it raises ends the reporting and never the run."""

    def begin(self, run: Run, *, history: Sequence[Entry]) -> None:
        """The run begins, or goes on after the entries in `history`."""

    def entry(self, entry: Entry) -> None:
        """One step or validation, as `log_history` of `trainer_state.json` has it; `step` and `epoch` are in it."""

    def end(self, artifact: str | None) -> None:
        """The run is over; None: it was stopped or failed, and may go on later."""


def figures(entry: Entry) -> dict[str, float]:
    """An entry's figures under the names that the field's boards group by: `train/loss`, `eval/loss`."""
    return {
        f"eval/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}": value
        for name, value in entry.items()
        if name != "step"
    }
