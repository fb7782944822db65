"""Stage 2: Dataset + Checkpoint -> Checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seekloop.system.lazy import attributes

if TYPE_CHECKING:
    from seekloop.tune.spec import TuneInputs, TuneSpec
    from seekloop.tune.stage import run

__all__ = ["TuneInputs", "TuneSpec", "run"]

__getattr__ = attributes(__name__, spec=("TuneInputs", "TuneSpec"), stage=("run",))
