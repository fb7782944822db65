"""What a search is told: the spec that it starts from, the dials that it may turn, its sampler and its budget."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seekloop.system.spec import Spec
from seekloop.tune.spec import TuneSpec

__all__ = ["SearchSpec", "SpaceSpec"]


class SpaceSpec(Spec):
    """The choices of each dial; one choice leaves a dial alone."""

    ranks: tuple[int, ...] = Field(default=(4, 8, 16, 32, 64), min_length=1)
    """Of the adapter; methods without a rank leave it out."""
    rate_factors: tuple[float, ...] = Field(default=(0.125, 0.25, 0.5, 1.0, 2.0, 4.0), min_length=1)
    """Times the rate that is usual for method, family and rank: the prior is 1."""
    epochs: tuple[int, ...] = Field(default=(1, 2, 3, 4), min_length=1)
    """Passes over the train rows."""
    rows_per_step: tuple[int, ...] = Field(default=(4, 8, 16), min_length=1)
    """Rows of an optimizer step."""


class SearchSpec(Spec):
    """One search. The lowest validation loss wins."""

    tune: TuneSpec = TuneSpec()
    """Everything that is not searched, and where the search begins."""
    space: SpaceSpec = SpaceSpec()
    """What is searched."""
    sampler: Literal["tpe", "random", "reinforce"] = "tpe"
    """`tpe`: Optuna's tree-structured Parzen estimator; `reinforce`: a policy that is taught by policy gradient."""
    trials: int = Field(default=12, ge=1)
    """At most so many."""
    minutes: float = Field(default=10.0, gt=0)
    """No trial begins after so much training; what was trained before a crash counts."""
    eta: int = Field(default=3, ge=2)
    """Successive halving: one trial in so many goes on with so many times the steps."""
    rungs: int = Field(default=2, ge=1, le=4)
    """Levels of steps; 1: every trial is trained in full."""
    folds: bool = False
    """Train each trial on every fold of the dataset's `folds.json` instead of on its train split."""
