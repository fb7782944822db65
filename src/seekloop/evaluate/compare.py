"""Two reports on the same rows: paired differences with intervals and p-values."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from seekloop.artifact.kinds import Comparison, Report
from seekloop.artifact.rows import read_rows
from seekloop.artifact.store import Store
from seekloop.evaluate.groups import groups_of
from seekloop.evaluate.measures import Measure, measures
from seekloop.evaluate.scoring import Scored, read_answers
from seekloop.evaluate.verdict import Measured
from seekloop.metrics import resampling
from seekloop.metrics.paired import paired_share
from seekloop.system import digests, seeds
from seekloop.system.errors import DataError

__all__ = ["Pair", "compare", "compare_answers", "comparison", "measure", "paired", "shared_answers"]

Pair = tuple[Scored, Scored]
"""The subject's and the baseline's answer to one row."""


def compare(subject: Report, baseline: Report, *, store: Store, seed: int, resamples: int = 2000) -> list[Comparison]:
    """`subject` minus `baseline`, figure by figure, on the rows that both were asked.

    Raises:
        DataError: they share no row.
    """
    pairs, groups = paired(subject, baseline, store=store)
    return compare_answers(pairs, baseline=baseline.id, seed=seed, resamples=resamples, groups=groups)


def paired(subject: Report, baseline: Report, *, store: Store) -> tuple[list[Pair], dict[str, str]]:
    """The answers of two reports to the rows that both were asked, and the group of each row.

    Raises:
        DataError: they share no row.
        ArtifactError: the rows that the subject was asked are not in the store.
    """
    answers, before = (read_answers(store.path(report.id, "answers.jsonl")) for report in (subject, baseline))
    shared = shared_answers([one.key for one in answers], before, baseline=baseline.id)
    groups = groups_of(read_rows(store.path(subject.dataset, f"{subject.split}.jsonl")))
    return [(one, shared[one.key]) for one in answers if one.key in shared], groups


def shared_answers(
    asked: Collection[tuple[str, str]], before: Iterable[Scored], *, baseline: str
) -> dict[tuple[str, str], Scored]:
    """The baseline's answers to rows that are asked again, by `Scored.key`.

    Raises:
        DataError: there is none.
    """
    answers = {one.key: one for one in before}
    shared = {key: answers[key] for key in asked if key in answers}
    if not shared:
        raise DataError(
            "evaluate.no_shared_rows", rows=len(asked), others=len(answers), baseline=digests.short(baseline)
        )
    return shared


def compare_answers(
    pairs: Sequence[Pair], *, baseline: str, seed: int, resamples: int, groups: Mapping[str, str] | None = None
) -> list[Comparison]:
    """As `measure`, in the form that a report stores."""
    measured = measure(pairs, seed=seed, resamples=resamples, groups=groups)
    return [comparison(one, baseline=baseline) for one in measured]


def measure(
    pairs: Sequence[Pair],
    *,
    seed: int,
    resamples: int,
    groups: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
) -> list[Measured]:
    """The paired differences of two models' answers to the same rows.

    Every measure that both have rows for. Shares of rows: Tango's score interval and the exact McNemar test. All else:
    paired studentised bootstrap and a test that swaps the models' answers. Where rows share a group, groups are drawn
    and swapped whole.

    Args:
        pairs: the subject's and the baseline's answer to each row; at least one.
        seed: the run's.
        resamples: of bootstrap and test.
        groups: row id -> name of its group; None, or a row that is not in it: a group of its own.
        only: names of the figures to measure; None: all.
    """
    with_rows = _Pairs(pairs, groups or {}, seed=seeds.derive(seed, "evaluate", "compare"), resamples=resamples)
    found: list[Measured] = []
    for one in measures([subject for subject, _ in pairs]):
        if only is not None and one.name not in only:
            continue
        kept = [pair for pair in pairs if one.has(pair[0]) and one.has(pair[1])]
        if kept and one.right is not None:
            found.append(with_rows.of(kept).share(one, right=one.right))
        elif kept:
            found += with_rows.of(kept).resampled(one)
    return found


def comparison(one: Measured, *, baseline: str) -> Comparison:
    """A measured difference as a report stores it; `baseline` is the other report's id."""
    return Comparison(
        figure=one.figure, baseline=baseline, difference=one.difference, ci=one.ci, p_value=one.p_value, n=one.n
    )


@dataclass(frozen=True)
class _Pairs:
    """Pairs of answers, and how they are resampled."""

    pairs: Sequence[Pair]
    groups: Mapping[str, str]
    seed: int
    resamples: int

    def of(self, pairs: Sequence[Pair]) -> _Pairs:
        """The same for some of the pairs."""
        return _Pairs(pairs, self.groups, self.seed, self.resamples)

    @cached_property
    def names(self) -> list[str]:
        """The group of each pair."""
        return [self.groups.get(one.row, one.row) for one, _ in self.pairs]

    @cached_property
    def count(self) -> int:
        """Groups."""
        return len(set(self.names))

    def share(self, measure: Measure, *, right: Callable[[Scored], bool]) -> Measured:
        """Difference of the shares of answers that are right."""
        first, second = ([right(pair[side]) for pair in self.pairs] for side in (0, 1))
        found = paired_share(first, second, groups=self.names, resamples=self.resamples, seed=self.seed)
        values = (sum(first) / len(self.pairs), sum(second) / len(self.pairs))
        return self._measured(measure, values, ci=found.interval, p_value=found.p_value)

    def resampled(self, measure: Measure) -> list[Measured]:
        """Difference of the measure over both answers; none where it has no meaning for one of them."""
        first, second = (measure.sums([pair[side] for pair in self.pairs]) for side in (0, 1))
        values = (first.observed, second.observed)
        if not all(map(math.isfinite, values)):
            return []
        one, other = (first, second) if self.count == len(self.pairs) else (first.by(self.names), second.by(self.names))
        span = _spans.get(measure.unit)
        ci = resampling.difference_interval(one, other, span=span, resamples=self.resamples, seed=self.seed)
        p_value = resampling.swap_p_value(one, other, resamples=self.resamples, seed=self.seed)
        return [self._measured(measure, values, ci=ci, p_value=p_value)]

    def _measured(
        self, measure: Measure, values: tuple[float, float], *, ci: tuple[float, float], p_value: float
    ) -> Measured:
        """Ten digits: what another machine's linear algebra adds in the sixteenth is no other result."""
        return Measured(
            figure=measure.name,
            values=(round(values[0], 10), round(values[1], 10)),
            difference=round(values[0] - values[1], 10),
            ci=(round(ci[0], 10), round(ci[1], 10)),
            p_value=round(p_value, 10),
            n=len(self.pairs),
            groups=self.count,
            better=measure.better,
            unit=measure.unit,
        )


_spans = MappingProxyType({"share": 1.0, "points": 100.0})
"""How far two values can lie apart, by their unit; others are unbounded."""
