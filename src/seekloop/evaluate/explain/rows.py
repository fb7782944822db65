"""Which training rows made an answer."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Message, Row
from seekloop.evaluate import trained
from seekloop.evaluate.explain import views
from seekloop.evaluate.explain.gradients import WIDTH, Gradients
from seekloop.evaluate.explain.index import Index, Sketch
from seekloop.model.codec import View
from seekloop.system import digests
from seekloop.system.errors import DataError

__all__ = ["Responsible", "Rows"]

_longest = 2048
"""Tokens of a row that are looked at, from its end."""
_form = 1
"""Raised when sketches change, so that an index of another form is not read."""


@dataclass(frozen=True, kw_only=True)
class Responsible:
    """A training row, and how much like it the answer was made."""

    score: float
    """Cosine of the two gradients, -1 to 1, the mean of it over the moments that were looked at: what training on the
    row did for the answer; below 0, against it."""
    row: str
    where: str
    """`file:line` of its source."""
    dataset: str
    messages: tuple[Message, ...]
    label: str | None


class Rows:
    """The training rows of a checkpoint, ready to be asked for.

    Args:
        gradients: of the checkpoint.
        checkpoint: whose parents name the datasets.
        ctx: its work folder keeps the index.
        summed: look at every moment that the run kept its adapter of, as TracIn does, and not only at the end.

    Raises:
        DataError: nothing was trained here.
        ArtifactError: a dataset is not in the store, or the disk is full.
    """

    def __init__(self, gradients: Gradients, checkpoint: Checkpoint, *, ctx: RunContext, summed: bool = True) -> None:
        self._gradients, self._ctx = gradients, ctx
        self._datasets = trained.datasets(checkpoint, store=ctx.store)
        if not self._datasets:
            raise DataError("evaluate.explain_untrained", id=digests.short(checkpoint.id))
        parts: list[str | int] = [checkpoint.id, *(one.id for one in self._datasets), WIDTH, _form]
        moments = gradients.moments if summed else (None,)
        self._indices = {moment: _index([*parts, *([moment] if moment else [])], ctx=ctx) for moment in moments}

    def prepare(self) -> None:
        """Make the index of each moment that is looked at, or go on with it."""
        for moment, index in self._indices.items():
            self._gradients.take(moment)
            index.complete((row for _, row in self._rows()), self._sketch, progress=self._ctx.progress)
        self._gradients.take(None)

    def top(self, messages: Sequence[Message], answer: Message, *, count: int) -> list[Responsible]:
        """The `count` rows that did most for `answer`, the first one most.

        Args:
            messages: the conversation before it.
            answer: what was said.
            count: at least one.
        """
        best = heapq.nsmallest(count, self._scored(views.answered(messages, answer, codec=self._gradients.codec)))
        wanted = {place: -score for score, place in best}
        found = {
            place: _responsible(dataset, row, score=wanted[place])
            for place, (dataset, row) in enumerate(self._rows())
            if place in wanted
        }
        return [found[place] for _, place in best]

    def _scored(self, asked: View) -> Iterator[tuple[float, int]]:
        """Score, turned around, and place of each row: the mean over the moments that are looked at."""
        of_moments = []
        for moment, index in self._indices.items():
            self._gradients.take(moment)
            query, _ = self._gradients.sketch([asked])
            of_moments.append(itertools.chain.from_iterable(block.tolist() for block in index.scores(query)))
        self._gradients.take(None)
        scores = zip(*of_moments, strict=True)
        return ((-sum(each) / len(each), place) for place, each in enumerate(scores))

    def _rows(self) -> Iterator[tuple[Dataset, Row]]:
        for dataset in self._datasets:
            for row in trained.train_rows(dataset, store=self._ctx.store):
                yield dataset, row

    def _sketch(self, row: Row) -> tuple[Sketch, float]:
        return self._gradients.sketch(views.of_row(row, self._gradients.codec, longest=_longest))


def _index(parts: Sequence[str | int], *, ctx: RunContext) -> Index:
    key = digests.of_json(list(parts)).removeprefix("sha256:")[:16]
    return Index(ctx.work / f"explain-{key}", width=WIDTH)


def _responsible(dataset: Dataset, row: Row, *, score: float) -> Responsible:
    return Responsible(
        score=round(score, 6),
        row=row.id,
        where=f"{row.source.file}:{row.source.line}",
        dataset=dataset.id,
        messages=row.messages,
        label=row.label,
    )
