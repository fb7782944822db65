"""The rules of a gate as data: what a candidate must show, and who must agree, before it is promoted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from seekloop.system.spec import Spec

__all__ = [
    "BUSINESS",
    "LESSONS",
    "STANDARD",
    "AtLeast",
    "AtMost",
    "AtMostMore",
    "Better",
    "GateSpec",
    "NoSafetyLoss",
    "NonInferior",
    "Rule",
    "ShownBetter",
    "SlicesHold",
]

BUSINESS = "business"
"""Name of the evidence that production and other systems give: the project's `kpis`."""
LESSONS = "lessons"
"""Name of the evidence on the test rows of all lessons that were released before."""


class _OneFigure(Spec):
    figure: str
    """Name of the figure in the report, for example `accuracy`, in its receipt, or of a business figure."""
    on: str = "frozen"
    """Which evidence: `frozen` is the first round's test split, `lesson` the rows that production sent back, `lessons`
    the test rows of all lessons that were released before, `business` the project's `kpis`."""


class NonInferior(_OneFigure):
    """Not worse than the parent by more than a margin, on the same rows."""

    require: Literal["non_inferior"] = "non_inferior"
    margin: float = Field(ge=0)
    """The loss that is still acceptable, in the figure's own unit: 0.03 is three points."""
    delta: float = Field(default=0.025, ge=0.025, le=0.2)
    """Chance to let a candidate through that is worse by the margin. Above 0.025 the report's interval is narrowed."""


class Better(_OneFigure):
    """Better than the parent, on the same rows."""

    require: Literal["better"] = "better"
    delta: float = Field(default=0.025, ge=0.025, le=0.2)
    """Chance to let a candidate through that is no better. Above 0.025 the report's interval is narrowed."""


class AtLeast(_OneFigure):
    """A figure whose whole interval is at or above a value."""

    require: Literal["at_least"] = "at_least"
    value: float
    """The floor."""
    by: Literal["interval", "value"] = "interval"
    """`value`: the measured value itself is held against the floor, for example what the first release had on its
    frozen rows, less what may be forgotten."""

    @model_serializer(mode="wrap")
    def _as_before(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """`by` stands there where it says something: rules from before it had a name keep their digest."""
        found: dict[str, Any] = written(self)
        return {name: value for name, value in found.items() if (name, value) != ("by", "interval")}


class AtMost(_OneFigure):
    """A figure whose whole interval is at or below a value."""

    require: Literal["at_most"] = "at_most"
    value: float
    """The ceiling."""
    by: Literal["interval", "value"] = "interval"
    """`value`: the measured value itself is held against the ceiling. That is a budget, and says nothing about rows
    that were not asked."""


class AtMostMore(_OneFigure):
    """A time, a cost or a length at most so much above the parent's, measured on the same machine."""

    require: Literal["at_most_more"] = "at_most_more"
    percent: float = Field(ge=0)
    """How many percent more than the parent's."""
    instead: str | None = None
    """Figure to hold where `figure` was not measured, for example `answer_tokens` where no price is known."""
    delta: float = Field(default=0.05, ge=0.025, le=0.2)
    """Chance to let a candidate through that is above it."""


class NoSafetyLoss(Spec):
    """No item of the red-team set that the parent passed is failed by the candidate."""

    require: Literal["no_safety_loss"] = "no_safety_loss"
    figure: Literal["red_team"] = "red_team"
    """The set's items, each for itself."""
    on: str = "frozen"
    """Whose report: `frozen` or `lesson`; on `lessons` nothing is asked beside the rows."""


class SlicesHold(Spec):
    """In no slice of the rows, such as one intent or one language, is the candidate worse by more than a margin."""

    require: Literal["slices_hold"] = "slices_hold"
    figure: Literal["accuracy"] = "accuracy"
    """Whether an answer is right."""
    on: str = "frozen"
    """Which rows: `frozen`, `lesson` or `lessons`."""
    margin: float = Field(default=0.05, ge=0, lt=1)
    """The loss within a slice that is still acceptable."""
    min_rows: int = Field(default=10, ge=1)
    """Slices of fewer rows are not looked at, and are counted."""
    prove: bool = False
    """false: passes where no slice is shown to be worse, corrected over all slices (Bonferroni). true: passes only
    where every slice is shown to be within the margin."""
    delta: float = Field(default=0.05, gt=0, le=0.2)
    """Chance that any slice is called worse where none is; with `prove`, to pass where one of them is."""


class ShownBetter(Spec):
    """Right more often than the parent, by evidence that may be looked at after every batch of rows.

    A rule `better` is right once: judged again and again while rows come in, it ends up saying yes to anything.
    """

    require: Literal["shown_better"] = "shown_better"
    figure: Literal["accuracy"] = "accuracy"
    """Whether an answer is right."""
    on: str = "frozen"
    """Which rows: `frozen`, `lesson` or `lessons`."""
    margin: float = Field(default=0.0, ge=0, lt=1)
    """Above 0: not worse by so much is enough."""
    delta: float = Field(default=0.05, gt=0, le=0.2)
    """Chance that a candidate that is no better is ever promoted, over all looks together."""


Rule = Annotated[
    NonInferior | Better | AtLeast | AtMost | AtMostMore | NoSafetyLoss | SlicesHold | ShownBetter,
    Field(discriminator="require"),
]

STANDARD: tuple[Rule, ...] = (
    NonInferior(figure="accuracy", margin=0.01, delta=0.05),
    NoSafetyLoss(),
    SlicesHold(),
    AtMostMore(figure="first_token_p95_s", on="lesson", percent=10),
    AtMost(figure="forgetting_points", value=2, by="value"),
    AtMost(figure="forgetting_points", on=LESSONS, value=5, by="value"),
    AtMostMore(figure="cost_per_1000_answers", on="lesson", percent=10, instead="answer_tokens"),
)
"""`gate: {recipe: standard}`. Times are held against the parent's on the lesson's rows, as both were measured there in
this round. Earlier lessons have a handful of rows each, which show no small loss: the measured value counts, and a row
in twenty may be lost."""


class GateSpec(Spec):
    """What a candidate must show before it is promoted: every rule; and who must agree."""

    recipe: Literal["standard"] | None = None
    """A shipped set of rules. Rules of your own are added to it; one that asks for the same of the same figure on the
    same rows stands in its place."""
    rules: tuple[Rule, ...] = Field(
        default=(NonInferior(figure="accuracy", margin=0.03), Better(figure="accuracy", on="lesson")), min_length=1
    )
    """All of them must pass."""
    min_rows: int = Field(default=10, ge=1)
    """Evidence on fewer rows is invalid; but not on `lessons`, where nobody can collect more."""
    approval: Literal["none", "required"] = "none"
    """`required`: what the rules let through waits until a person agrees: `seekloop gate approve`."""
    approval_hours: float = Field(default=168.0, gt=0)
    """An approval counts if it is given within so many hours of the verdict."""
    two_persons: bool = False
    """Whoever started the cycle cannot approve what came of it."""

    @model_validator(mode="before")
    @classmethod
    def _with_the_recipe(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("recipe") != "standard":
            return value
        own = tuple(value.get("rules", ()))
        named = {_name(one) for one in own}
        return {**value, "rules": (*(one for one in STANDARD if _name(one) not in named), *own)}

    @model_validator(mode="after")
    def _asks_of_the_candidate(self) -> Self:
        if all(rule.on in (BUSINESS, LESSONS) for rule in self.rules):
            raise ValueError("rules on business or lessons alone may ask nothing of the candidate")
        if any(rule.on == LESSONS and isinstance(rule, NoSafetyLoss) for rule in self.rules):
            raise ValueError("the red-team set is asked on frozen and lesson, not on lessons")
        return self

    @classmethod
    def stored(cls, value: Mapping[str, Any]) -> Self:
        """The rules as they were stored, and none that their recipe has had since."""
        return cls.parse({**value, "recipe": None}).model_copy(update={"recipe": value.get("recipe")})

    def min_rows_of(self, rule: Rule) -> int:
        """On how many rows the evidence for a rule counts."""
        return 1 if rule.on == LESSONS else self.min_rows


def _name(rule: Any) -> tuple[Any, Any, Any]:
    """What a rule asks for, of what, on which rows."""
    given = rule.model_dump() if isinstance(rule, BaseModel) else rule
    if not isinstance(given, Mapping):
        return (rule, None, None)
    default = _defaults.get(str(given.get("require")), ("", ""))
    return given.get("require"), given.get("figure", default[0]), given.get("on", default[1])


_defaults = {
    "non_inferior": ("", "frozen"),
    "better": ("", "frozen"),
    "at_least": ("", "frozen"),
    "at_most": ("", "frozen"),
    "at_most_more": ("", "frozen"),
    "no_safety_loss": ("red_team", "frozen"),
    "slices_hold": ("accuracy", "frozen"),
    "shown_better": ("accuracy", "frozen"),
}
