"""Stage 3: Checkpoint + Dataset -> Report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seekloop.system.lazy import attributes

if TYPE_CHECKING:
    from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
    from seekloop.evaluate.stage import run

__all__ = ["EvaluateInputs", "EvaluateSpec", "run"]

__getattr__ = attributes(__name__, spec=("EvaluateInputs", "EvaluateSpec"), stage=("run",))
