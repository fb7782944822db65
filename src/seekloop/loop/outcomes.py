"""What a gate looks at and what each rule comes to, in the form in which the ledger stores them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from seekloop.artifact.kinds import Comparison, Figure
from seekloop.loop.rules import (
    AtLeast,
    AtMost,
    AtMostMore,
    Better,
    NonInferior,
    NoSafetyLoss,
    Rule,
    ShownBetter,
    SlicesHold,
)
from seekloop.system import errors, settings

__all__ = ["ALL", "NOTHING", "Evidence", "Outcome", "RedTeam", "SliceCounts", "State", "Stored"]

State = Literal["passed", "failed", "inconclusive", "invalid"]

ALL = "all"
"""Name of the slice that is all rows."""


class Stored(BaseModel):
    """Base of what is stored in an event: frozen, and no NaN gets in."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class RedTeam(Stored):
    """The red-team set's items, candidate beside parent."""

    n: int
    """Items that both were asked in the same way."""
    lost: tuple[str, ...]
    """Ids of those that the parent passed and the candidate fails."""
    missing: tuple[str, ...]
    """Ids of those that the parent passed and the candidate gave no answer to."""


class SliceCounts(Stored):
    """Right and wrong answers of candidate and parent to the same rows of a slice."""

    name: str
    """`all`, `label=card_lost`, `language=zh`."""
    won: int
    """Rows that only the candidate got right."""
    lost: int
    """Rows that only the parent got right."""
    n: int
    effect: float = 1.0
    """Design effect of rows that come in groups: counts are divided by it."""


class Evidence(Stored):
    """The stored numbers of one report and its receipt beside the parent's, or the business figures."""

    report: str | None
    """Id of the report; None: the numbers are of none."""
    subject: str | None
    """Id of the checkpoint that they are about; None: of none."""
    figures: tuple[Figure, ...]
    comparisons: tuple[Comparison, ...]
    parent: tuple[Figure, ...] = ()
    """The parent's figures on the same rows."""
    elsewhere: bool = False
    """Whether the parent's times were measured on another machine."""
    red_team: RedTeam | None = None
    slices: tuple[SliceCounts, ...] = ()

    def only(self, rules: Collection[Rule]) -> Evidence:
        """What these rules look at."""
        names = {rule.figure for rule in rules} | {rule.instead for rule in rules if isinstance(rule, AtMostMore)}
        sliced = any(isinstance(rule, SlicesHold) for rule in rules)
        counted = sliced or any(isinstance(rule, ShownBetter) for rule in rules)
        return self.model_copy(
            update={
                "figures": tuple(one for one in self.figures if one.name in names),
                "comparisons": tuple(one for one in self.comparisons if one.figure in names),
                "parent": tuple(one for one in self.parent if one.name in names),
                "red_team": self.red_team if any(isinstance(rule, NoSafetyLoss) for rule in rules) else None,
                "slices": tuple(one for one in self.slices if counted and (sliced or one.name == ALL)),
            }
        )


NOTHING = Evidence(report=None, subject=None, figures=(), comparisons=())
"""Of a set of rows that is known to be empty, such as earlier lessons where there was none."""


class Outcome(Stored):
    """What one rule came to."""

    rule: Rule
    state: State
    code: str
    """Which sentence says why: a table of `loop.toml` or `gates.toml`."""
    value: float | None = None
    """The figure, its difference to the parent's, or how many percent more it is."""
    ci: tuple[float, float] | None = None
    n: int | None = None
    report: str | None = None
    """Id of the report that the numbers are from."""
    facts: dict[str, str | int | float] = {}
    """Further values of the sentence."""

    def sentence(self, language: str | None = None) -> str:
        """Why, in one sentence in `language` ("en" or "zh"; default: the user's)."""
        room, _, name = self.code.partition(".")
        template = errors.messages(room)[name][language or settings.language()]
        low, high = self.ci or (float("nan"), float("nan"))
        numbers = {"value": self.value, "low": f"{low:.3f}", "high": f"{high:.3f}", "n": self.n}
        rule = self.rule.model_dump()
        told: dict[str, Any] = {**rule, "bound": _bound(self.rule), **numbers, **self.facts}
        told["level"] = round(100 * (1 - 2 * rule.get("delta", 0.025)), 1)
        return template.format_map(told)


def _bound(rule: Rule) -> float | None:
    """The number in the rule itself."""
    if isinstance(rule, NonInferior | SlicesHold | ShownBetter):
        return rule.margin
    if isinstance(rule, AtLeast | AtMost):
        return rule.value
    assert isinstance(rule, Better | NoSafetyLoss | AtMostMore)
    return None
