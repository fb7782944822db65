"""Two reports on the same rows: paired differences with intervals and p-values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.artifact.kinds import Comparison, Report
from seekloop.artifact.store import Store
from seekloop.evaluate.figures import TOKENISATIONS
from seekloop.evaluate.scoring import Scored, language_tokenisation, read_answers
from seekloop.metrics import classification, significance
from seekloop.system import digests, seeds
from seekloop.system.errors import DataError

__all__ = ["compare", "compare_answers", "shared_answers"]

Pair = tuple[Scored, Scored]


def compare(subject: Report, baseline: Report, *, store: Store, seed: int, resamples: int = 2000) -> list[Comparison]:
    """`subject` minus `baseline`, figure by figure, on the rows that both were asked.

    Raises:
        DataError: they share no row.
    """
    answers, before = (read_answers(store.path(report.id, "answers.jsonl")) for report in (subject, baseline))
    shared = shared_answers([one.key for one in answers], before, baseline=baseline.id)
    pairs = [(one, shared[one.key]) for one in answers if one.key in shared]
    return compare_answers(pairs, baseline=baseline.id, seed=seed, resamples=resamples)


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


def compare_answers(pairs: Sequence[Pair], *, baseline: str, seed: int, resamples: int) -> list[Comparison]:
    """The paired differences of two models' answers to the same rows.

    Shares (accuracy, exact_match, ends_by_itself): Tango's score interval and the exact McNemar test. rougeL and
    macro_f1: paired bootstrap, both models seeing the same draws of rows.

    Args:
        pairs: the subject's and the baseline's answer to each row; at least one.
        baseline: id of the baseline's report.
        seed: the run's.
        resamples: of the bootstrap.
    """
    against = _Against(baseline=baseline, seed=seeds.derive(seed, "evaluate", "compare"), resamples=resamples)
    found: list[Comparison] = []
    if pairs[0][0].label is not None:
        found += [against.share("accuracy", pairs, right=lambda one: one.correct), against.macro_f1(pairs)]
    if any(one.reference_text for one, _ in pairs):
        found.append(against.share("exact_match", pairs, right=lambda one: one.exact))
    for tokenisation in TOKENISATIONS:
        of_language = [(a, b) for a, b in pairs if language_tokenisation(a.language) == tokenisation]
        scores = [(a.rougeL, b.rougeL) for a, b in of_language if a.rougeL is not None and b.rougeL is not None]
        if scores:
            found.append(against.mean(f"rougeL_{tokenisation}", np.array(scores)))
    found.append(against.share("ends_by_itself", pairs, right=lambda one: one.finish_reason == "stop"))
    return found


@dataclass(frozen=True, kw_only=True)
class _Against:
    """Makes comparisons with one baseline."""

    baseline: str
    seed: int
    resamples: int

    def share(self, name: str, pairs: Sequence[Pair], *, right: Callable[[Scored], bool]) -> Comparison:
        """Difference of the shares of answers that are right."""
        won = sum(right(one) and not right(other) for one, other in pairs)
        lost = sum(right(other) and not right(one) for one, other in pairs)
        n = len(pairs)
        interval = significance.paired_share_difference(won, lost, n=n)
        return self._comparison(name, (won - lost) / n, interval=interval, p_value=significance.mcnemar(won, lost), n=n)

    def mean(self, name: str, values: NDArray[np.float64]) -> Comparison:
        """Difference of the means of two columns, shape (n, 2)."""
        differences = values[:, 0] - values[:, 1]
        return self._bootstrapped(name, lambda weights: weights @ differences / len(differences), n=len(differences))

    def macro_f1(self, pairs: Sequence[Pair]) -> Comparison:
        """Difference of the macro-F1 of both answers to the same labels."""
        expected = [one.label or "" for one, _ in pairs]
        first = classification.weighted_macro_f1(expected, [one.got_label for one, _ in pairs])
        second = classification.weighted_macro_f1(expected, [other.got_label for _, other in pairs])
        return self._bootstrapped("macro_f1", lambda weights: first(weights) - second(weights), n=len(pairs))

    def _bootstrapped(self, name: str, statistic: significance.Statistic, *, n: int) -> Comparison:
        drawn = significance.bootstrap_values(statistic, n, resamples=self.resamples, seed=self.seed)
        interval, p_value = significance.percentiles(drawn), significance.bootstrap_p_value(drawn)
        return self._comparison(name, float(statistic(np.ones((1, n)))[0]), interval=interval, p_value=p_value, n=n)

    def _comparison(
        self, name: str, difference: float, *, interval: significance.Interval, p_value: float, n: int
    ) -> Comparison:
        return Comparison(
            figure=name,
            baseline=self.baseline,
            difference=round(difference, 10),
            ci=(round(interval.low, 10), round(interval.high, 10)),
            p_value=round(p_value, 10),
            n=n,
        )
