"""TensorBoard: event files in a folder a run; `tensorboard --logdir` shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from seekloop.system.lazy import need
from seekloop.tune.trackers.tracker import Run, figures

__all__ = ["TensorBoard"]


class TensorBoard:
    """Scalars under `train/` and `eval/`, the run's facts and its artifact as texts.

    Raises:
        MissingPackage: TensorBoard is not installed.
    """

    def __init__(self) -> None:
        need("tensorboard", extra="tensorboard")
        self._open = need("torch.utils.tensorboard", extra="tensorboard").SummaryWriter
        self._step = 0

    def begin(self, run: Run, *, history: Sequence[Mapping[str, float]]) -> None:
        """A further event file where the run goes on; it takes back the steps that are done once more."""
        self._step = int(history[-1]["step"]) if history else 0
        self._writer = self._open(str(run.folder / run.id), purge_step=self._step + 1 if history else None)
        facts = json.dumps(dict(run.facts), ensure_ascii=False, indent=2)
        self._writer.add_text("run", f"```json\n{facts}\n```", self._step)
        self._writer.flush()

    def entry(self, entry: Mapping[str, float]) -> None:
        """One scalar for each figure."""
        self._step = int(entry["step"])
        for name, value in figures(entry).items():
            self._writer.add_scalar(name, value, self._step)

    def end(self, artifact: str | None) -> None:
        """Close the file."""
        if artifact is not None:
            self._writer.add_text("artifact", artifact, self._step)
        self._writer.close()
