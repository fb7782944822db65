"""The rounds before this one: what they trained and held out, and what follows for the rows of a later round."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row, read_rows
from seekloop.data.compose import compose
from seekloop.data.dedupe import Twin
from seekloop.data.leak import Guard, Standing, settled
from seekloop.data.replay import Draw, Trained
from seekloop.data.spec import ComposeSpec, DataInputs, DedupeSpec
from seekloop.data.wording import asked
from seekloop.system.errors import DataError
from seekloop.text.labelled import AnswerForm
from seekloop.text.shingles import keys, prints

__all__ = ["NEAR_HELD_OUT", "TRAINED_BEFORE", "Rounds", "Taught", "replayable"]

TRAINED_BEFORE = "trained_before"
NEAR_HELD_OUT = "near_held_out"
_at_once = 4096


class Rounds:
    """The datasets before, the newest first; none in a first round."""

    def __init__(self, inputs: DataInputs, *, ctx: RunContext) -> None:
        self._ctx = ctx
        self.datasets: tuple[Dataset, ...] = tuple(_line(inputs, ctx=ctx))

    @property
    def trained(self) -> list[Trained]:
        """The train rows of each."""
        return [Trained(dataset=one.id, rows=functools.partial(self.rows, one, "train")) for one in self.datasets]

    def rows(self, dataset: Dataset, split: str) -> Iterator[Row]:
        """The rows of a split."""
        return read_rows(self._ctx.store.path(dataset.id, f"{split}.jsonl"))

    def guard(self, spec: DedupeSpec) -> Guard:
        """What they trained and held out, to compare rows with."""
        guard = Guard(spec.held_out or spec.similarity, trained=spec.similarity)
        for one in self.datasets:
            guard.join(settled(one, similarity=guard.similarity, ctx=self._ctx))
        return guard

    def prove(self, train: Iterable[Row], guard: Guard) -> Mapping[str, Any]:
        """Compare every row that will be trained with every row that a round before holds out; for the report.

        Args:
            train: as it was written, with whatever was replayed or made.
            guard: of the rounds before, and of nothing else.

        Raises:
            DataError: one is near one of them: the dataset must not be.
        """
        rows, near = 0, Counter[str]()
        for row, standing in _standings(train, guard):
            rows += 1
            if standing.twin is not None:
                near[standing.twin.reason] += 1
                first = row.id
        if near:
            raise DataError("replay.near_frozen", rows=near.total(), row=first)
        held = sum(one.splits["test"] + one.splits["validation"] for one in self.datasets)
        return {"rounds": len(self.datasets), "held_out": held, "compared": rows, "near": 0, "at": guard.similarity}


class Taught:
    """What the rounds before answered to each row that they trained, as digests.

    Args:
        rounds: the newest first: what it answered counts.
        spec: composes answers.
        form: of the answers.
    """

    def __init__(self, rounds: Rounds, spec: ComposeSpec, *, form: AnswerForm) -> None:
        self._spec = spec
        self._form: AnswerForm = form
        self._answers: dict[str, bytes] = {}
        for trained in rounds.trained:
            for row, answer in self._answered(trained.rows()):
                self._answers.setdefault(row.id, answer)

    def twins(self, rows: Sequence[Row], standings: Sequence[Standing]) -> list[Twin | None]:
        """For each row the row that taught the same before: near, and with the same answer."""
        wanted = [standing.like is not None for standing in standings]
        answers = iter(answer for _, answer in self._answered(itertools.compress(rows, wanted)))
        found: list[Twin | None] = []
        for standing in standings:
            again = standing.like is not None and self._answers.get(standing.like) == next(answers)
            found.append(Twin(TRAINED_BEFORE, standing.like or "") if again else None)
        return found

    def _answered(self, rows: Iterable[Row]) -> Iterator[tuple[Row, bytes]]:
        stream = iter(rows)
        while some := list(itertools.islice(stream, _at_once)):
            composed = [compose(row, self._spec, answer=self._form) for row in some]
            texts = [f"{row.label or ''}\n{row.messages[-1].content if row.messages else ''}" for row in composed]
            yield from zip(some, keys(texts), strict=True)


def replayable(draw: Draw, guard: Guard) -> Iterator[Row]:
    """The drawn rows that are near nothing that is held out; the others are counted in `draw.left_out`."""
    for row, standing in _standings(draw.rows(), guard):
        if standing.twin is None:
            yield row
        else:
            draw.left_out[NEAR_HELD_OUT] += 1


def _standings(rows: Iterable[Row], guard: Guard) -> Iterator[tuple[Row, Standing]]:
    stream = iter(rows)
    while some := list(itertools.islice(stream, _at_once)):
        yield from zip(some, guard.check(prints([asked(row) for row in some]), [None] * len(some)), strict=True)


def _line(inputs: DataInputs, *, ctx: RunContext) -> Iterator[Dataset]:
    """The parent, its parent, and so on to the first round's dataset."""
    if inputs.parent is None:
        return
    yield inputs.parent
    if inputs.ancestors:
        yield from inputs.ancestors
        return
    before = inputs.parent.parents.get("parent")
    while before is not None:
        ancestor = ctx.store.open(before, Dataset)
        yield ancestor
        before = ancestor.parents.get("parent")
