"""Business figures, defined once in the project file: task completion, satisfaction, response time, or any other."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from seekloop.system.spec import Spec

__all__ = ["COLUMNS", "Column", "CsvKpi", "Kpi", "TrafficKpi"]

Column = Literal[
    "score",
    "judged",
    "corrected",
    "label",
    "first_token_ms",
    "total_ms",
    "prompt_tokens",
    "completion_tokens",
    "finish_reason",
    "release",
    "caller",
    "completed",
    "resolved_by",
    "value",
    "retry",
    "escalation",
    "abandoned",
    "copied",
    "accepted",
]
COLUMNS: tuple[Column, ...] = get_args(Column)
"""What a row of traffic, which is one answer, has."""


class _Kpi(Spec):
    name: str = Field(pattern=r"^[^\s\[\]|]+$")
    """Its name in gates and tables: `task_completion`."""
    aggregate: Literal["mean", "share", "percentile"] = "mean"
    """How its rows become one figure."""
    counts: str | None = None
    """For a share, which rows count: `>= 0.5`, `< 2000`, `= resolved`, `!= cut`; None: 1, true, yes or 是."""
    percentile: float = Field(default=0.95, gt=0, lt=1)
    """For a percentile, which."""
    better: Literal["higher", "lower"] = "higher"
    """Which direction is good."""
    unit: str = ""
    """Of the figure, for people."""
    group: str | None = None
    """Column that names who or what several rows are of, such as `caller`; its rows are not taken as independent."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.counts is not None and self.aggregate != "share":
            raise ValueError("counts belongs to a share")
        if self.counts is not None and not re.match(r"(>=|<=|!=|=|>|<)\s*\S", self.counts):
            raise ValueError("counts begins with >=, <=, >, <, = or !=, and a value follows")
        if self.group is not None and self.aggregate == "percentile":
            raise ValueError("a percentile has no groups: its interval takes rows as independent")
        return self


class TrafficKpi(_Kpi):
    """Read from what production answered and what was said of it: one row an answer, with its newest feedback."""

    source: Literal["traffic"] = "traffic"
    column: Column = "score"
    """score: 0 to 1, of answers with feedback. judged, corrected: 1 where somebody gave feedback, or a right answer.
    completed (1 or 0), resolved_by (model or person), value: of answers whose outcome is known. retry, escalation,
    abandoned, copied, accepted: 1 where that happened; retry also where the same was asked again soon."""


class CsvKpi(_Kpi):
    """Read from a table that another system wrote: a ticket system, a survey."""

    source: Literal["csv"] = "csv"
    path: str
    """CSV file with a header, beside the project file."""
    column: str
    """Column of the values."""

    def _reads(self) -> tuple[str, ...]:
        return (self.path,)


Kpi = Annotated[TrafficKpi | CsvKpi, Field(discriminator="source")]
