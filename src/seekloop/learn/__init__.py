"""Stage 6: Traffic + Report -> Lesson: a verdict and a new Corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seekloop.system.lazy import attributes

if TYPE_CHECKING:
    from seekloop.learn.spec import LearnInputs, LearnSpec
    from seekloop.learn.stage import run

__all__ = ["LearnInputs", "LearnSpec", "run"]

__getattr__ = attributes(__name__, spec=("LearnInputs", "LearnSpec"), stage=("run",))
