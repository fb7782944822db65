"""Weights & Biases: runs on disk that `wandb sync` uploads; straight to its server where WANDB_MODE says `online`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seekloop.system import settings
from seekloop.system.lazy import need
from seekloop.tune.trackers.tracker import Run, figures

__all__ = ["WeightsAndBiases"]


class WeightsAndBiases:
    """One run of the project `seekloop`, with the facts as its config and the artifact in its summary.

    Raises:
        MissingPackage: wandb is not installed.
    """

    def __init__(self) -> None:
        # It reports on itself in offline mode too.
        settings.unless_told(WANDB_ERROR_REPORTING="false")
        self._wandb = need("wandb", extra="wandb")

    def begin(self, run: Run, *, history: Sequence[Mapping[str, float]]) -> None:
        """Open the run; one that goes on is told what was seen before, since each attempt is a folder of its own."""
        run.folder.mkdir(parents=True, exist_ok=True)
        mode = settings.tracker_mode("WANDB_MODE") or "offline"
        self._run = self._wandb.init(
            project="seekloop",
            id=run.id,
            name=run.id,
            config=dict(run.facts),
            dir=str(run.folder),
            mode=mode,
            resume="allow" if mode == "online" else None,
            # Nothing of the machine or of the user's code is collected: only what we say.
            settings=self._wandb.Settings(console="off", disable_code=True, disable_git=True, silent=True),
        )
        for entry in history:
            self.entry(entry)

    def entry(self, entry: Mapping[str, float]) -> None:
        """One row; a step and the validation after it go into the same one."""
        self._run.log(figures(entry), step=int(entry["step"]))

    def end(self, artifact: str | None) -> None:
        """Close the run; one without an artifact counts as failed."""
        self._run.summary["artifact"] = artifact
        self._run.finish(exit_code=0 if artifact else 1)
