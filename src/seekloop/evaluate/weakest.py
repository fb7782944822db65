"""Slices whose answers are worse than the whole: by label, language, length, source, and pairs of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from seekloop.metrics import significance

__all__ = ["Weak", "weakest"]

_shown = 20
Slice = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Weak:
    """One slice and how its answers are."""

    slice: Slice
    """Facts and their values, `(("label", "card_lost"), ("language", "zh"))`; one of them or two."""
    right: float
    """Share of right answers."""
    n: int
    low: float
    """Of the interval, corrected for how many slices were looked at."""
    high: float
    certain: bool
    """Whether even the upper end lies below the share of all rows."""

    @property
    def name(self) -> str:
        """`label=card_lost, language=zh`."""
        return ", ".join(f"{fact}={value}" for fact, value in self.slice)


def weakest(facts: Sequence[Mapping[str, str]], right: Sequence[bool], *, least: int = 10) -> tuple[list[Weak], int]:
    """The slices that are most surely weak, and how many were looked at.

    Every slice of at least `least` rows is looked at, so its Wilson interval has the confidence 1 - 0.05 / slices
    (Bonferroni): of all that are called certain, one or more is a false alarm in at most 5 % of reports. A pair of
    facts is left out unless it is worse than each of the two alone, beyond its own 95 % interval.

    Args:
        facts: of each row, such as its label and language; shape (n,).
        right: whether each answer is right, shape (n,).
        least: rows of a slice.

    Returns:
        At most 20, by the upper end of their intervals, those above the whole left out.
    """
    rows: dict[Slice, list[int]] = defaultdict(list)
    for at, one in enumerate(facts):
        known = sorted((fact, value) for fact, value in one.items() if value)
        for fact in known:
            rows[(fact,)].append(at)
        for pair in combinations(known, 2):
            rows[pair].append(at)
    large = {place: members for place, members in rows.items() if least <= len(members) < len(right)}
    shares = {place: sum(right[at] for at in members) / len(members) for place, members in large.items()}
    overall = sum(right) / len(right) if right else 0.0
    found = []
    for place, members in large.items():
        count, n = sum(right[at] for at in members), len(members)
        # A fact alone that is true of all rows has the share of the whole.
        alone = [shares.get((fact,), overall) for fact in place if len(place) > 1]
        if shares[place] < overall and all(significance.wilson(count, n).high < share for share in alone):
            interval = significance.wilson(count, n, confidence=1 - 0.05 / len(large))
            found.append(_weak(place, shares[place], n=n, interval=interval, overall=overall))
    found.sort(key=lambda one: (one.high, one.right, one.name))
    return found[:_shown], len(large)


def _weak(place: Slice, share: float, *, n: int, interval: significance.Interval, overall: float) -> Weak:
    return Weak(
        slice=place,
        right=round(share, 10),
        n=n,
        low=round(interval.low, 10),
        high=round(interval.high, 10),
        certain=interval.high < overall,
    )
