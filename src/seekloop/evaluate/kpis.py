"""Business figures with their n and interval. What has no value is counted aloud, never taken as 0."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seekloop.artifact.kinds import Figure
from seekloop.artifact.ledger import Answer, Feedback
from seekloop.evaluate.kpi_sources import Cell, Value, csv_cells, traffic_cells
from seekloop.evaluate.kpi_spec import CsvKpi, Kpi
from seekloop.metrics import latency, resampling, significance, sums
from seekloop.system import seeds
from seekloop.system.errors import DataError

__all__ = ["Counted", "count", "measure"]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One business figure, and what it was counted on."""

    name: str
    figure: Figure | None
    """None where no row has a value."""
    rows: int
    missing: int
    """Rows without a value; they are not in the figure's n."""


def measure(
    kpis: Sequence[Kpi],
    *,
    answers: Sequence[Answer],
    feedback: Sequence[Feedback],
    root: Path,
    seed: int,
    retried: Collection[str] = (),
) -> list[Counted]:
    """Every figure of a project, in the order of its file.

    Args:
        kpis: their definitions.
        answers: of the window of production.
        feedback: of the same.
        root: folder that CSV paths are taken from.
        seed: the run's.
        retried: ids of answers after which the same was asked again.

    Raises:
        DataError: a CSV file is missing or damaged, or a value is not what the figure needs.
    """

    def cells(kpi: Kpi) -> Iterable[Cell]:
        if isinstance(kpi, CsvKpi):
            return csv_cells(root / kpi.path, shown=kpi.path, column=kpi.column, group=kpi.group)
        return traffic_cells(answers, feedback, column=kpi.column, group=kpi.group, retried=retried)

    return [count(kpi, cells(kpi), seed=seeds.derive(seed, "evaluate", kpi.name)) for kpi in kpis]


def count(kpi: Kpi, cells: Iterable[Cell], *, seed: int, resamples: int = 2000) -> Counted:
    """One figure.

    A mean has the studentised bootstrap interval, a share Wilson's, a percentile that of its order statistics; means
    and shares of grouped rows are resampled by group.

    Args:
        kpi: its definition.
        cells: the rows.
        seed: of the resampling.
        resamples: of the same.

    Raises:
        DataError: a value is not what the figure needs.
    """
    read = _holds(kpi.counts) if kpi.aggregate == "share" else _number
    values: list[float] = []
    groups: list[str | None] = []
    missing = 0
    for cell in cells:
        if cell.value is None:
            missing += 1
            continue
        number = read(cell.value)
        if number is None:
            raise DataError("evaluate.kpi_bad_value", value=cell.value, kpi=kpi.name, where=cell.where)
        values.append(number)
        groups.append(cell.group)
    figure = _figure(kpi, values, groups=groups, seed=seed, resamples=resamples) if values else None
    return Counted(name=kpi.name, figure=figure, rows=missing + len(values), missing=missing)


def _figure(kpi: Kpi, values: Sequence[float], *, groups: Sequence[str | None], seed: int, resamples: int) -> Figure:
    mean = sums.mean(values) if kpi.group is None else sums.mean(values).by(groups)
    value, share = math.fsum(values) / len(values), kpi.aggregate == "share"
    if kpi.aggregate == "percentile":
        value = latency.percentile(values, kpi.percentile)
        interval = latency.percentile_interval(values, kpi.percentile)
    elif share and kpi.group is None:
        interval = significance.wilson(int(sum(values)), len(values))
    elif share:
        interval = resampling.interval(mean, resamples=resamples, seed=seed)
    else:
        interval = resampling.studentised(mean, resamples=resamples, seed=seed)
    low, high = interval
    return Figure(
        name=kpi.name,
        value=round(value, 10),
        n=len(values),
        # One value, or values that are all the same, say nothing of how far others lie.
        ci=(round(low, 10), round(high, 10)) if share or low < high else None,
        unit=kpi.unit or ("share" if share else "value"),
        better=kpi.better,
    )


def _number(value: Value) -> float | None:
    """A finite number, or None: a sign of percent or a comma among the digits is no guess of ours."""
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _holds(counts: str | None) -> Callable[[Value], float | None]:
    """Whether a value counts: 1 or 0, or None where that cannot be said."""
    if counts is None:
        return lambda value: _truths.get(str(value).strip().lower().removesuffix(".0"))
    match = re.match(r"(>=|<=|!=|=|>|<)\s*(.+)", counts)
    assert match is not None, "the spec was checked"
    compare, bound = _operators[match[1]], match[2].strip()
    number = _number(bound)
    if number is None:
        return lambda value: float(compare(str(value).strip(), bound)) if match[1] in ("=", "!=") else None

    def holds(value: Value) -> float | None:
        given = _number(value)
        if given is None:
            return float(match[1] == "!=") if match[1] in ("=", "!=") else None
        return float(compare(given, number))

    return holds


_truths: Mapping[str, float] = MappingProxyType(
    dict.fromkeys(("1", "true", "yes", "y", "t", "是", "对", "真"), 1.0)
    | dict.fromkeys(("0", "false", "no", "n", "f", "否", "错", "假"), 0.0)
)
_operators: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        ">=": operator.ge,
        "<=": operator.le,
        ">": operator.gt,
        "<": operator.lt,
        "=": operator.eq,
        "!=": operator.ne,
    }
)
