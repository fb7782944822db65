"""Which form to take for a goal, and why, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from seekloop.loop.forms.spec import Goal
from seekloop.loop.forms.table import FormLine, FormsTable
from seekloop.loop.forms.words import Language, say

__all__ = ["Pick", "pick"]


@dataclass(frozen=True, kw_only=True)
class Pick:
    """The adviser's word."""

    id: str | None
    """Of the form; None: none keeps the bounds."""
    reason: str


def pick(table: FormsTable, goal: Goal, *, language: Language) -> Pick:
    """The best form that keeps the goal's bounds. Loss is judged by what was measured; where its interval reaches
    beyond the bound, the sentence says so. Equals are decided by accuracy, then by size.
    """
    fits = [line for line in table.lines if _over(line, goal) == 0]
    bounds = _bounds(goal, language)
    if not fits:
        nearest = min(table.lines, key=lambda line: _over(line, goal))
        facts = {"name": nearest.name, "lost": nearest.lost, "peak": nearest.measured["peak_mib"]}
        return Pick(id=None, reason=say("none", language, bounds=bounds, **facts))
    best = min(fits, key=lambda line: (_rank(line, goal), -line.quality, line.size_mb))
    what = say(
        goal.goal,
        language,
        size=best.size_mb,
        speed=next(iter(best.speeds.values())),
        figure=table.figure,
        quality=best.quality,
    )
    told = {"name": best.name, "best": what, "count": len(fits), "bounds": bounds}
    if best.difference is None:
        return Pick(id=best.id, reason=say("itself", language, **told))
    _, low, high = best.difference
    doubtful = goal.max_drop is not None and -100 * low > goal.max_drop
    return Pick(
        id=best.id,
        reason=say(
            "why",
            language,
            **told,
            lost=best.lost,
            figure=table.figure,
            low=0.0 - 100 * high,
            high=0.0 - 100 * low,
            n=best.n,
            doubt=say("doubt", language) if doubtful else "",
        ),
    )


def _rank(line: FormLine, goal: Goal) -> float:
    match goal.goal:
        case "smallest":
            return line.size_mb
        case "fastest":
            return -next(iter(line.speeds.values()))
        case "accuracy":
            return -line.quality


def _over(line: FormLine, goal: Goal) -> float:
    """By how much a form breaks the bounds, as shares of them added up; 0: it keeps them."""
    over = 0.0
    if goal.max_drop is not None:
        over += max(0.0, line.lost - goal.max_drop - 1e-9) / max(goal.max_drop, 1.0)
    if goal.max_mib is not None:
        over += max(0.0, line.measured["peak_mib"] - goal.max_mib) / goal.max_mib
    return over


def _bounds(goal: Goal, language: Language) -> str:
    told = [
        say(name, language, value=value)
        for name, value in (("drop", goal.max_drop), ("memory", goal.max_mib))
        if value is not None
    ]
    return ", ".join(told) or say("unbounded", language)
