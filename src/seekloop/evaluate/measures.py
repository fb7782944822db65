"""What is measured over rows: each measure is a function of row weights, so one bootstrap serves all of them.

A report's figures, the differences of two reports and the figures of a slice are the same measures over other rows. The
values of single rows are made when an answer is scored; a value that a later part adds under a name listed here, or
under any other, is a figure too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seekloop.evaluate.scoring import Scored
from seekloop.metrics import bleu, calibration, chrf, label_sets, likelihood, sums
from seekloop.metrics.label_sets import Averaged
from seekloop.metrics.significance import Statistic
from seekloop.metrics.sums import Sums
from seekloop.text import labelled

__all__ = ["Measure", "answered_labels", "expected_labels", "measures"]

Floats = NDArray[np.float64]
Better = Literal["higher", "lower"]
Right = Callable[[Scored], bool]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure, for whichever rows."""

    name: str
    has: Callable[[Scored], bool]
    """Whether a row counts."""
    sums: Callable[[Sequence[Scored]], Sums]
    """The figure of rows, all of which count, as sums over them: so it is resampled, paired and grouped."""
    right: Callable[[Scored], bool] | None = None
    """For shares of rows: whether a row is one of them. Shares have better intervals than the bootstrap's."""
    unit: str = "share"
    better: Better = "higher"

    def statistic(self, answers: Sequence[Scored]) -> Statistic:
        """The figure of weighted rows, all of which count."""
        of = self.sums(answers)
        return lambda weights: of.value(weights @ of.parts)


def measures(answers: Sequence[Scored]) -> list[Measure]:
    """What can be measured on some rows, in the order of a report."""
    found = [*_labels(answers), *_values(answers)]
    if any(one.reference_text for one in answers):
        found.append(_share("exact_match", lambda one: one.exact))
    found.append(_share("ends_by_itself", lambda one: one.finish_reason == "stop"))
    found.append(_mean("answer_tokens", lambda one: float(one.completion_tokens), unit="tokens", better="lower"))
    order = {base: place for place, base in enumerate(_order)}
    return sorted(found, key=lambda measure: (order.get(_base(measure.name), len(order)), measure.name))


def expected_labels(one: Scored) -> tuple[str, ...]:
    """The labels that are right."""
    return one.labels or ((one.label,) if one.label is not None else ())


def answered_labels(one: Scored, *, several: bool) -> tuple[str, ...]:
    """The labels of the answer; where rows may have `several`, they stand joined in it."""
    if one.got_label is None:
        return ()
    return labelled.split_labels(one.got_label) if several else (one.got_label,)


@dataclass(frozen=True, kw_only=True)
class _Kind:
    unit: str = "share"
    better: Better = "higher"
    of: Callable[[Floats], Floats] | None = None
    """For values that are not means: the value of summed counts."""
    share: bool = False
    """Whether the values of rows are 0 or 1."""


def _ratio(counts: Floats) -> Floats:
    part, whole = counts[..., 0], counts[..., 1]
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0))


_kinds: Mapping[str, _Kind] = {
    "bleu": _Kind(unit="points", of=bleu.bleu),
    "chrf": _Kind(unit="points", of=chrf.chrf),
    "length_ratio": _Kind(unit="ratio", better="lower", of=_ratio),
    "repetition_4": _Kind(better="lower"),
    "looping_answers": _Kind(better="lower", share=True),
    "empty_answers": _Kind(better="lower", share=True),
    "garbled_answers": _Kind(better="lower", share=True),
    "embedding_similarity": _Kind(unit="cosine"),
    "perplexity_token": _Kind(unit="perplexity", better="lower", of=likelihood.perplexity),
    "bits_per_byte": _Kind(unit="bits", better="lower", of=likelihood.bits_per_byte),
}
"""How values of rows make a figure, by its name without the tokenisation; any other is a mean or ratio of shares."""

_order = (
    *("accuracy", "macro_f1", "macro_precision", "macro_recall", "micro_f1", "micro_precision", "micro_recall"),
    *("weighted_f1", "samples_f1", "hierarchical_f1", "hierarchical_precision", "hierarchical_recall"),
    *("label_probability", "calibration_error"),
    *("exact_match", "rouge1", "rouge2", "rougeL", "bleu", "chrf", "embedding_similarity"),
    *("perplexity_token", "bits_per_byte", "length_ratio", "repetition_4"),
    *("looping_answers", "empty_answers", "garbled_answers", "ends_by_itself", "answer_tokens"),
)


def _base(name: str) -> str:
    """The name without its tokenisation."""
    return next((base for base in _order if name == base or name.startswith(f"{base}_")), name)


def _values(answers: Sequence[Scored]) -> list[Measure]:
    """What rows carry in `scores`, `counts` and `rougeL`."""
    means = sorted({name for one in answers for name in one.values})
    counted = sorted({name for one in answers for name in one.counts})
    return [*map(_of_value, means), *map(_of_counts, counted)]


def _of_value(name: str) -> Measure:
    kind = _kinds.get(_base(name), _Kind())
    if kind.share:
        return _share(name, lambda one: one.values[name] > 0, has=lambda one: name in one.values, better=kind.better)
    return _mean(name, lambda one: one.values.get(name), unit=kind.unit, better=kind.better)


def _of_counts(name: str) -> Measure:
    kind = _kinds.get(_base(name), _Kind())
    of = kind.of or _ratio

    def summed(answers: Sequence[Scored]) -> Sums:
        return sums.of_counts(np.array([one.counts[name] for one in answers], dtype=np.float64), of)

    return Measure(
        name=name,
        has=lambda one: name in one.counts,
        sums=summed,
        unit=kind.unit,
        better=kind.better,
    )


def _share(name: str, right: Right, *, has: Right | None = None, better: Better = "higher") -> Measure:
    mean = _mean(name, lambda one: float(right(one)))
    return Measure(name=name, has=has or mean.has, sums=mean.sums, right=right, better=better)


def _mean(
    name: str, value: Callable[[Scored], float | None], *, unit: str = "share", better: Better = "higher"
) -> Measure:
    def summed(answers: Sequence[Scored]) -> Sums:
        return sums.mean(np.array([value(one) for one in answers], dtype=np.float64))

    return Measure(
        name=name,
        has=lambda one: value(one) is not None,
        sums=summed,
        unit=unit,
        better=better,
    )


def _labels(answers: Sequence[Scored]) -> list[Measure]:
    """Classification, where rows have labels; several a row, or paths, where some do."""
    if not any(one.label is not None for one in answers):
        return []
    several = any(len(one.labels) > 1 for one in answers)
    found = [_share("accuracy", lambda one: one.correct, has=_labelled)]
    for figure in label_sets.FIGURES:
        found += [_by_class(f"macro_{figure}", figure, several=several, average="macro")]
        found += [_by_row(f"micro_{figure}", figure, several=several)]
    found.append(_by_class("weighted_f1", "f1", several=several, average="weighted"))
    if several:
        found.append(_mean("samples_f1", lambda one: _row_f1(one) if _labelled(one) else None))
    if any(map(_has_probability, answers)):
        found.append(_calibration_error())
    if any("/" in label for one in answers for label in expected_labels(one)):
        for figure in label_sets.FIGURES:
            found.append(_by_row(f"hierarchical_{figure}", figure, several=several, paths=True))
    return found


def _calibration_error() -> Measure:
    def summed(answers: Sequence[Scored]) -> Sums:
        probabilities = np.array([one.scores["label_probability"] for one in answers])
        return calibration.calibration_sums(probabilities, np.array([one.correct for one in answers]))

    return Measure(name="calibration_error", has=_has_probability, sums=summed, better="lower")


def _has_probability(one: Scored) -> bool:
    return "label_probability" in one.scores


def _labelled(one: Scored) -> bool:
    return one.label is not None


def _row_f1(one: Scored) -> float:
    counts = label_sets.label_counts(expected_labels(one), answered_labels(one, several=True))
    return float(label_sets.of_counts(np.array(counts, dtype=np.float64), "f1"))


def _by_class(name: str, figure: Averaged, *, several: bool, average: Literal["macro", "weighted"]) -> Measure:
    def table(answers: Sequence[Scored]) -> label_sets.ClassTable:
        given = [answered_labels(one, several=several) for one in answers]
        return label_sets.ClassTable([expected_labels(one) for one in answers], given)

    return Measure(
        name=name,
        has=_labelled,
        sums=lambda answers: table(answers).sums(figure, average=average),
    )


def _by_row(name: str, figure: Averaged, *, several: bool, paths: bool = False) -> Measure:
    def counts(one: Scored) -> tuple[int, int, int]:
        expected, answered = expected_labels(one), answered_labels(one, several=several)
        if paths:
            return label_sets.label_counts(label_sets.with_ancestors(expected), label_sets.with_ancestors(answered))
        return label_sets.label_counts(expected, answered)

    def summed(answers: Sequence[Scored]) -> Sums:
        table = np.array([counts(one) for one in answers], dtype=np.float64)
        return sums.of_counts(table, lambda totals: label_sets.of_counts(totals, figure))

    return Measure(name=name, has=_labelled, sums=summed)
