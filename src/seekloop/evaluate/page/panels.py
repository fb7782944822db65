"""What a report tells beside its figures, for the page and for Markdown: probes, people, business, times and costs.

A panel is plain text in tables; whoever shows it escapes the cells. A panel with nothing to tell is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from seekloop.artifact.kinds import Figure, Report
from seekloop.evaluate.efficiency import figures_of
from seekloop.evaluate.page.sheet import Sheet

__all__ = ["Panel", "Table", "business", "goal_s", "people", "probes", "speed"]

Words = Mapping[str, str]
_probe = ("probe_", "safety_")
_human = ("human_", "judge_", "agreement_")
_shown = 24
_whole: Mapping[str, str] = MappingProxyType(
    {
        "answers": "",
        "prompt_tokens": "tokens",
        "tokens": "tokens",
        "rows_per_s": "rows/s",
        "answer_p50_s": "s",
        "answer_p95_s": "s",
        "cpu_core_s": "s",
        "probes": "",
        "probes_s": "s",
    }
)
"""Costs without an interval, and their units, in the order of the page."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of a panel."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    texts: bool = False
    """It shows whole answers: for a page, too long for a pull request."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A heading with what belongs under it."""

    heading: str
    note: str = ""
    tables: Sequence[Table] = ()


def probes(sheet: Sheet, said: Words) -> Panel | None:
    """What was forgotten and what is refused, with every wrong answer."""
    found = [one for one in sheet.report.figures if one.name.startswith(_probe)]
    if not found:
        return None
    tables = [_figures(found, said)]
    wrong = [one for one in sheet.probes if not one.get("right", True) or one.get("failed", False)]
    if wrong:
        rows = [(_kind(one), str(one["prompt"]), str(one["answer"])) for one in wrong[:_shown]]
        title = said["probes_wrong"].format(wrong=len(wrong), n=len(sheet.probes))
        tables.append(Table(title=title, head=(said["kind"], said["question"], said["got"]), rows=rows, texts=True))
    return Panel(heading=said["probes"], note=said["probes_note"], tables=tables)


def people(sheet: Sheet, said: Words) -> Panel | None:
    """What people and a judge said, who the raters were, and how far they agree."""
    if not sheet.human:
        return None
    told, judge = (sheet.human.get(name, {}) for name in ("people", "judge"))
    tables = [_figures([one for one in sheet.report.figures if one.name.startswith(_human)], said)]
    won = [
        (name, *(str(of["preference"][key]) for key in ("won", "tied", "lost")))
        for name, of in ((said["people"], told), (said["judge"], judge))
        if "preference" in of
    ]
    if won:
        tables.append(Table(title=said["preferred"], head=("", said["won"], said["tied"], said["lost"]), rows=won))
    raters = [
        (str(one["rater"]), *(str(one[key]) for key in ("rated", "skipped", "begun", "gaps")))
        for one in told.get("raters", ())
    ]
    if raters:
        head = [said[name] for name in ("rater", "rated", "skipped", "begun", "gaps")]
        tables.append(Table(title=said["raters"], head=head, rows=raters))
    kappas = [
        (name, " · ".join(one["raters"]), _number(one["kappa"]), str(one["n"]))
        for name, pairs in told.get("kappas", {}).items()
        for one in pairs
    ]
    if kappas:
        tables.append(Table(title=said["kappas"], head=(said["dimension"], said["raters"], "kappa", "n"), rows=kappas))
    missing = [*told.get("agreement_missing", ())]
    note = said["people_missing"].format(names=", ".join(missing)) if missing else ""
    return Panel(heading=said["people_heading"], note=note, tables=tables)


def business(sheet: Sheet, said: Words) -> Panel | None:
    """The project's own figures, as they were when this was shown."""
    if not sheet.business:
        return None
    return Panel(heading=said["business"], note=said["business_note"], tables=[_figures(sheet.business, said)])


def speed(sheet: Sheet, said: Words) -> Panel | None:
    """Times against the goal, memory, size and money, from the receipt."""
    receipt = sheet.receipt
    if receipt is None or not receipt.cost.get("answers"):
        return None
    known = {one.name: one for one in figures_of(receipt)}
    rows = [_row(one) for one in known.values()]
    rows += [
        (name, f"{receipt.cost[name]:,.6g} {unit}".rstrip(), "", "")
        for name, unit in _whole.items()
        if name in receipt.cost
    ]
    notes = [said["speed_note"].format(goal=f"{1000 * goal_s(sheet.report):,.0f}")]
    first = known.get("first_token_p95_s")
    if first is not None and first.ci is not None:
        notes.append(said[_against_the_goal(first.ci, goal=goal_s(sheet.report))])
    if "cost_per_1000_answers" not in known:
        notes.append(said["no_price"])
    return Panel(
        heading=said["speed"], note=" ".join(notes), tables=[Table(head=_head(said, said["value"]), rows=rows)]
    )


def goal_s(report: Report) -> float:
    """The goal for the first token, in seconds, that was declared when the report was made."""
    return float(report.made_by.spec.get("efficiency", {}).get("first_token_goal_s", 0.5))


def _against_the_goal(interval: tuple[float, float], *, goal: float) -> str:
    """Which words say it."""
    low, high = interval
    return "goal_met" if high <= goal else "goal_missed" if low > goal else "goal_open"


def _figures(found: Iterable[Figure], said: Words) -> Table:
    return Table(head=_head(said, said["value"]), rows=[_row(one) for one in found])


def _head(said: Words, value: str) -> Sequence[str]:
    return (said["figure"], value, said["interval"], "n")


def _row(one: Figure) -> Sequence[str]:
    unit = "" if one.unit == "share" else f" {one.unit}"
    interval = f"[{_number(one.ci[0])}, {_number(one.ci[1])}]" if one.ci and one.ci[0] < one.ci[1] else ""
    return (one.name, f"{_number(one.value)}{unit}", interval, f"{one.n:,}")


def _number(value: float | None) -> str:
    """Shares with three places; costs span magnitudes."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.6g}"


def _kind(row: Mapping[str, Any]) -> str:
    return f"{row.get('skill') or row.get('kind')} · {row['language']}"
