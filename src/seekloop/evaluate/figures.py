"""The figures of a report, each with its n and its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seekloop.artifact.kinds import Figure
from seekloop.evaluate.scoring import Scored, language_tokenisation
from seekloop.evaluate.seen import Seen
from seekloop.metrics import classification, significance
from seekloop.system import seeds

__all__ = ["TOKENISATIONS", "figures", "part", "share"]

TOKENISATIONS = ("en", "zh")
"""Tokenisations that overlap is reported in."""


def part(seen: Seen) -> tuple[Figure, ...]:
    """The figures of the answers themselves."""
    seed = seeds.derive(seen.ctx.seed, "evaluate", "figures")
    return figures(seen.answers, seed=seed, resamples=seen.spec.resamples)


def figures(answers: Sequence[Scored], *, seed: int, resamples: int) -> tuple[Figure, ...]:
    """What the answers to one split amount to.

    accuracy (Wilson) and macro_f1 (bootstrap) where rows have labels: macro_f1 averages over the labels that occur in
    these rows, and an answer that is no label counts against the row's own. exact_match (Wilson) where answers are
    free text. rougeL_en, rougeL_zh (bootstrap): mean over the rows whose right answer is in that language; rows in
    other languages are in neither, as the n shows. ends_by_itself (Wilson): share that was not cut. answer_tokens
    (bootstrap): mean length.

    Timings are not here but in the receipt's `cost`: two identical runs must give the same report.

    Raises:
        ValueError: no answers.
    """
    found: list[Figure] = []
    if answers[0].label is not None:
        found += [
            share("accuracy", [one.correct for one in answers]),
            _macro_f1(answers, seed=seed, resamples=resamples),
        ]
    if any(one.reference_text for one in answers):
        found.append(share("exact_match", [one.exact for one in answers]))
    for tokenisation in TOKENISATIONS:
        scores = [
            one.rougeL
            for one in answers
            if one.rougeL is not None and language_tokenisation(one.language) == tokenisation
        ]
        if scores:
            found.append(_mean(f"rougeL_{tokenisation}", scores, seed=seed, resamples=resamples))
    found.append(share("ends_by_itself", [one.finish_reason == "stop" for one in answers]))
    lengths = [float(one.completion_tokens) for one in answers]
    length = _mean("answer_tokens", lengths, seed=seed, resamples=resamples)
    return (*found, length.model_copy(update={"unit": "tokens", "better": "lower"}))


def share(name: str, right: Sequence[bool]) -> Figure:
    """The share of `right` that holds, with its Wilson interval; at least one."""
    count, n = sum(right), len(right)
    return _figure(name, count / n, n=n, interval=significance.wilson(count, n))


def _mean(name: str, values: Sequence[float], *, seed: int, resamples: int) -> Figure:
    interval = significance.bootstrap_mean(values, seed=seed, resamples=resamples)
    return _figure(name, float(np.mean(values)), n=len(values), interval=interval)


def _macro_f1(answers: Sequence[Scored], *, seed: int, resamples: int) -> Figure:
    n = len(answers)
    statistic = classification.weighted_macro_f1(
        [one.label or "" for one in answers], [one.got_label for one in answers]
    )
    interval = significance.bootstrap(statistic, n, seed=seed, resamples=resamples)
    return _figure("macro_f1", float(statistic(np.ones((1, n)))[0]), n=n, interval=interval)


def _figure(name: str, value: float, *, n: int, interval: significance.Interval) -> Figure:
    """A figure in ten digits: what another machine's linear algebra adds in the sixteenth is no other result."""
    return Figure(name=name, value=round(value, 10), n=n, ci=(round(interval.low, 10), round(interval.high, 10)))
