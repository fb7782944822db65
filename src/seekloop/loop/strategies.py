"""Which way of training a lesson goes on: a pure function of stored figures.

The first strategy stays unless another is shown to be better: the gate's rules come out better for it, or, where they
come out alike, a figure that the rules name is better on some of the rows and worse on none, by whole 95 % intervals of
paired differences. So of two that are equal another is taken in about 5 % of rounds, and a gate that errs in 2.5 % of
cases errs in at most twice that where two candidates stood before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from seekloop.loop.incremental_spec import Strategy

__all__ = ["EVENT", "Choice", "Difference", "Skipped", "Tried", "choose"]

EVENT = "loop.compared"

_better_first: Mapping[str, int] = MappingProxyType({"promote": 0, "inconclusive": 1, "hold": 2, "roll_back": 3})


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Difference(_Stored):
    """A figure of two candidates on the same rows."""

    on: str
    """`frozen`, `lesson` or `lessons`."""
    figure: str
    difference: float
    """The strategy less the first one, the sign turned where lower is better: above 0 is better."""
    ci: tuple[float, float]
    """95 % paired interval."""
    n: int


class Tried(_Stored):
    """What came of a strategy."""

    strategy: Strategy
    candidate: str
    """Id of the checkpoint, in the form that is served."""
    decision: Literal["promote", "hold", "roll_back", "inconclusive"]
    """Of the gate's rules, those on business left out: what production shows is about neither."""
    reports: dict[str, str]
    """Ids, by what was measured on."""
    seconds: float
    """Of training and of making the served form."""
    tokens: float
    """That training went through."""
    differences: tuple[Difference, ...] = ()
    """To the first strategy; empty for that."""


class Skipped(_Stored):
    """A strategy that was left out."""

    strategy: Strategy
    minutes: float
    """That it would have taken, by what training the released model took a row."""
    allowed: float


class Choice(_Stored):
    """Which strategy goes on, and why."""

    chosen: str
    """Id of the checkpoint."""
    strategy: Strategy
    reason: Literal["only", "gate", "figures", "first"]
    """only: nothing else was tried. gate: the rules came out better for it. figures: they came out alike, and it is
    better by the figures that they name. first: no other was shown to be better."""
    tried: tuple[Tried, ...]
    skipped: tuple[Skipped, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """For the event."""
        return self.model_dump(mode="json")


def choose(tried: Sequence[Tried], skipped: Sequence[Skipped] = ()) -> Choice:
    """The strategy that goes on.

    Args:
        tried: at least one, the first with no differences.
        skipped: what was left out.
    """
    best, reason = tried[0], "only" if len(tried) == 1 else "first"
    for one in tried[1:]:
        place, before = _better_first[one.decision], _better_first[best.decision]
        if place < before:
            best, reason = one, "gate"
        elif place == before and reason == "first" and _is_better(one.differences):
            best, reason = one, "figures"
    return Choice.model_validate(
        {
            "chosen": best.candidate,
            "strategy": best.strategy,
            "reason": reason,
            "tried": tuple(tried),
            "skipped": tuple(skipped),
        }
    )


def _is_better(differences: Sequence[Difference]) -> bool:
    """Whether some difference is above 0 as a whole, and none below."""
    return any(one.ci[0] > 0 for one in differences) and not any(one.ci[1] < 0 for one in differences)
