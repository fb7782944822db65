"""What is done to every row alone, as operators over batches: pure functions, so that any executor can run them.

`sift` runs them one after the other. They see a batch and the terms of the run, nothing else, and give as many rows as
they take, in order: the same rows come out however they are cut into batches, on one process or on many. Operators,
batches and terms can be pickled, so that they can be sent there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Row
from seekloop.data.clean import clean
from seekloop.data.declared import declared_labels
from seekloop.data.labels.labelling import Labelling, relabel
from seekloop.data.noise import unusable
from seekloop.data.redaction import redactor_of
from seekloop.data.sieve import Sieve
from seekloop.data.spec import DataSpec
from seekloop.text.labelled import AnswerForm
from seekloop.text.pii import Redactor

__all__ = ["CLEANING", "JUDGING", "OPERATORS", "Batch", "Operator", "Terms", "sift"]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What operators go by."""

    spec: DataSpec
    labels: tuple[str, ...] | None
    """The classes that the spec declares, in order; None: it declares none."""
    answer: AnswerForm
    sieve: Sieve
    """Tells noise, by rules and what was learnt of the corpus."""
    redactor: Redactor | None = None
    """Acts on personal data under the project's key; None: one without a key."""
    labelling: Labelling | None = None
    """What turns labels into classes, where the spec says more of them than their names."""

    @classmethod
    def of(cls, spec: DataSpec, *, answer: AnswerForm, labelling: Labelling | None, ctx: RunContext) -> Self:
        """The terms of a run whose sieve has learnt nothing yet.

        Raises:
            MissingPackage: a name finder, or `cryptography` where something is to be encrypted, is not installed.
        """
        labels, redactor = declared_labels(spec.labels, ctx.root), redactor_of(spec.clean.pii, ctx=ctx)
        sieve = Sieve(spec=spec.filter)
        return cls(spec=spec, labels=labels, answer=answer, sieve=sieve, redactor=redactor, labelling=labelling)


@dataclass(frozen=True)
class Batch:
    """Rows, in order, and what was counted on the way."""

    rows: Sequence[Row]
    masked: Mapping[str, int]
    """Personal data acted on, by kind."""
    normalised: Mapping[str, int]
    """What the higher levels of normalising changed, by kind."""


Operator = Callable[[Batch, Terms], Batch]


def sift(batch: Batch, terms: Terms, *, names: Sequence[str] | None = None) -> Batch:
    """The batch after all operators (or those named): every row of it, cleaned, with a reason where it is left out."""
    for name, operator in OPERATORS.items():
        batch = operator(batch, terms) if names is None or name in names else batch
    return batch


def _relabel(batch: Batch, terms: Terms) -> Batch:
    """Labels become the classes that they mean."""
    labelling = terms.labelling
    return batch if labelling is None else _each(batch, lambda row: relabel(row, labelling))


def _clean(batch: Batch, terms: Terms) -> Batch:
    normalised = Counter(batch.normalised)
    masked = Counter(batch.masked)
    rows = []
    for row in batch.rows:
        cleaned, counts = clean(row, terms.spec.clean, redactor=terms.redactor, changed=normalised)
        masked.update(counts)
        rows.append(cleaned)
    return Batch(rows, masked, normalised)


def _named(batch: Batch, terms: Terms) -> Batch:
    """Numbers in the label column become the names of the declared classes."""
    labels = terms.labels
    return batch if labels is None else _each(batch, lambda row: _with_name(row, labels))


def _with_name(row: Row, labels: tuple[str, ...]) -> Row:
    label = row.label
    if row.dropped is not None or label is None or label in labels or not label.isdecimal():
        return row
    return row.model_copy(update={"label": labels[int(label)] if int(label) < len(labels) else label})


def _noise(batch: Batch, terms: Terms) -> Batch:
    """Noise and rows that cannot be trained get their reason."""

    def judged(row: Row) -> Row:
        if row.dropped is not None:
            return row
        return terms.sieve.sift(row, unusable=unusable(row, terms.answer, labels=terms.labels))

    return _each(batch, judged)


def _each(batch: Batch, of: Callable[[Row], Row]) -> Batch:
    return Batch([of(row) for row in batch.rows], batch.masked, batch.normalised)


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {"relabel": _relabel, "clean": _clean, "label": _named, "noise": _noise}
)
"""In the order in which they run."""
CLEANING, JUDGING = ("relabel", "clean", "label"), ("noise",)
"""What is done before the sieve learns from the corpus, and what it does then."""
