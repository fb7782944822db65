"""The `teacher` way of balancing: train rows of short labels said in other words by a larger model, each one checked.

Answers lie in the project's queue before the next step is taken, so a run that is killed, or that stops at its budget,
asks nothing twice. What a teacher wrote is a train row with the seed's context, answer, label and subject.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Row, read_rows, row_id
from seekloop.data.augment.rows import asked_last, replaced
from seekloop.data.balance.teacher_spec import BalanceTeacherSpec
from seekloop.data.intents import Example, LabelHead
from seekloop.data.labels.labelling import labels_of
from seekloop.data.synthesise.checks import Check, label_check
from seekloop.data.synthesise.making import Maker
from seekloop.data.synthesise.plan import Planner
from seekloop.data.synthesise.rounds import QUEUE, Made, Rounds
from seekloop.data.synthesise.seeds import Seed, chosen, read_seeds
from seekloop.data.wording import asked
from seekloop.runtime.endpoint.queue import Queue
from seekloop.system import seeds
from seekloop.text.labelled import AnswerForm

__all__ = ["REFUSED", "Lessons", "label_head"]

REFUSED = "teacher_refused.jsonl"
"""File of a dataset with what a teacher wrote and is not taken, each with its reason."""
_made = frozenset({"synthetic", "taught_from", "augmented_from", "resampled_from", "mixed_from"})


class Lessons:
    """What a teacher writes for one dataset in the making.

    Args:
        spec: whom to ask, within which budget.
        per_label: rows that every label should have.
        train: the train rows, composed.
        form: what their answers hold.
        held: why a row is too like one that is held out; None: it is not.
        ctx: clock, progress, seed, folder of work.
    """

    def __init__(
        self, spec: BalanceTeacherSpec, *, per_label: int, train: Path, form: AnswerForm, held: Check, ctx: RunContext
    ) -> None:
        self.report: dict[str, Any] | None = None
        self.cost: dict[str, float] = {}
        self.refused: list[Row] = []
        self._synthesis = spec.synthesis(per_label=per_label)
        self._train = train
        self._form = form
        self._ctx = ctx
        checks = [held]
        if spec.label_check is not None:
            checks.append(label_check(label_head(train, confidence=spec.label_check)))
        self._maker = Maker(self._synthesis, held_out={}, checks=checks)
        self._maker.seen.extend((row.id, asked(row)) for row in read_rows(train))

    def know(self, row: Row) -> None:
        """Learn of a row that was made in another way, so that its like is not taken."""
        self._maker.seen.add(row.id, asked(row))

    def rows(self, missing: Mapping[str, int]) -> Iterator[Row]:
        """Rows for the labels of `missing` (label -> rows that it lacks), as far as teacher and budget give them.

        Memory holds the train rows of these labels, and what the teacher wrote.

        Raises:
            DataError: the teacher cannot be reached or refuses; what it answered before is kept.
            UsageError: its key is not in the environment.
        """
        sources = {row.id: row for row in read_rows(self._train) if _is_seed(row, missing)}
        found = list(
            read_seeds(
                sources.values(), form=self._form, language=self._synthesis.task.language, mask=self._synthesis.mask
            )
        )
        gaps = _gaps(sources.values(), missing)
        without = sorted(set(missing) - {label for row in sources.values() for label in labels_of(row)})
        if without:
            self._ctx.progress.say(f"no row of one message to show the teacher: {', '.join(without)}")
        seed = seeds.derive(self._ctx.seed, "data", "teacher")
        made = self._asked(found, gaps, seed=seed)
        for row in made.rows:
            source = sources[row.meta["synthetic"]["seeds"][0]]
            whole = _row(row, source)
            if row.dropped is None:
                yield whole
            else:
                self.refused.append(whole)

    def _asked(self, found: list[Seed], gaps: Mapping[str, int], *, seed: int) -> Made:
        task = self._synthesis.task
        per_label = task.model_dump()["per_label"]
        have = {label: per_label - gap for label, gap in gaps.items()}
        planner = Planner(task=task, seeds=chosen(found, seed=seed, count=None), have=have, seed=seed)
        with Queue(self._ctx.work / QUEUE) as queue:
            rounds = Rounds(self._synthesis, planner=planner, maker=self._maker, queue=queue, ctx=self._ctx, seed=seed)
            made = rounds.run()
            self.report, self.cost = rounds.report(made), rounds.meter.cost()
        return made


def label_head(train: Path, *, confidence: float) -> LabelHead:
    """The label check, learnt from the train rows alone."""
    labels = sorted({row.label for row in read_rows(train) if row.label is not None})

    def examples() -> Iterator[Example]:
        return (Example(row.id, asked_last(row), row.label) for row in read_rows(train) if row.label is not None)

    return LabelHead.train(examples, labels=labels, confidence=confidence)


def _is_seed(row: Row, missing: Mapping[str, int]) -> bool:
    """Whether a teacher may be shown the row: a real one of one message, with a label that lacks rows."""
    messages = sum(message.role == "user" for message in row.messages)
    return messages == 1 and _made.isdisjoint(row.meta) and any(label in missing for label in labels_of(row))


def _gaps(rows: Iterable[Row], missing: Mapping[str, int]) -> dict[str, int]:
    """Rows to ask for by what rows carry as label: a label that stands in several combinations is shared out."""
    combined: dict[str, tuple[str, ...]] = {row.label: labels_of(row) for row in rows if row.label is not None}
    standing = Counter(itertools.chain.from_iterable(combined.values()))
    gaps: defaultdict[str, int] = defaultdict(int)
    for name, labels in sorted(combined.items()):
        gaps[name] = max(math.ceil(missing.get(label, 0) / standing[label]) for label in labels)
    return dict(gaps)


def _row(written: Row, source: Row) -> Row:
    """The seed's row with what the teacher wrote for its message, under an id of its own."""
    changed = replaced(source, asked(written))
    meta = {name: value for name, value in source.meta.items() if name not in ("split", "replayed_from")}
    meta |= {"synthetic": written.meta["synthetic"], "taught_from": source.id}
    meta |= {name: written.meta[name] for name in ("problem",) if name in written.meta}
    update = {"id": row_id([source.id, written.id]), "meta": meta, "dropped": written.dropped, "twin": written.twin}
    return changed.model_copy(update=update)
