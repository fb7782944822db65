"""SwanLab: runs on disk that `swanlab sync` uploads; straight to its server where SWANLAB_MODE says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seekloop.system import settings
from seekloop.system.lazy import need
from seekloop.tune.trackers.tracker import Run, figures

__all__ = ["SwanLab"]


class SwanLab:
    """One experiment of the project `seekloop`, with the facts as its config.

    Raises:
        MissingPackage: swanlab is not installed.
    """

    def __init__(self) -> None:
        self._swanlab = need("swanlab", extra="swanlab")

    def begin(self, run: Run, *, history: Sequence[Mapping[str, float]]) -> None:
        """Open the experiment; one that goes on is told what was seen before, since each attempt is one of its own."""
        run.folder.mkdir(parents=True, exist_ok=True)
        self._run = self._swanlab.init(
            project="seekloop",
            name=run.id,
            config=dict(run.facts),
            log_dir=str(run.folder),
            mode=settings.tracker_mode("SWANLAB_MODE") or "offline",
        )
        for entry in history:
            self.entry(entry)

    def entry(self, entry: Mapping[str, float]) -> None:
        """One row."""
        self._run.log(figures(entry), step=int(entry["step"]))

    def end(self, artifact: str | None) -> None:
        """Close the experiment."""
        self._swanlab.config.update({"artifact": artifact})
        self._swanlab.finish()
