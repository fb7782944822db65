"""The data stage: sources or a corpus into a dataset, every row of it accounted for.

Rows stream from the corpus on disk through `clean`, `noise`, `leak` and `dedupe`; what stays is sorted into splits,
composed and written. In memory are fingerprints, not texts.
"""

from __future__ import annotations

import contextlib
import heapq
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seekloop.artifact.context import Job, RunContext
from seekloop.artifact.kinds import Corpus, Dataset
from seekloop.artifact.rows import Row, read_rows, to_line, write_rows
from seekloop.data.clean import clean
from seekloop.data.compose import choose_answer, compose
from seekloop.data.dedupe import Deduper, Twin
from seekloop.data.leak import Guard
from seekloop.data.noise import noise, unusable
from seekloop.data.read import read_corpus
from seekloop.data.read.files import locate
from seekloop.data.replay import replayed
from seekloop.data.spec import DataInputs, DataSpec, Split
from seekloop.data.split import Sorter
from seekloop.data.wording import asked, is_answered
from seekloop.system import seeds
from seekloop.system.errors import DataError, UsageError
from seekloop.system.progress import Task
from seekloop.text.labelled import AnswerForm
from seekloop.text.similarity import Fingerprint

__all__ = ["run"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_sifted_file = "sifted.jsonl"


def run(spec: DataSpec, inputs: DataInputs, *, ctx: RunContext) -> Dataset:
    """Make a dataset: read where no corpus is given, clean, filter, deduplicate, split, compose, replay.

    Args:
        spec: every dial.
        inputs: a corpus that was read before, and the parent dataset of a later round; both may be absent.
        ctx: store, ledger, seed, progress.

    Raises:
        DataError: a source cannot be read, or no row is left to train on.
        UsageError: replay without a parent, or another form of answer than the parent's.
        ArtifactError: the disk is full; nothing was half-written.
    """
    if spec.replay is not None and inputs.parent is None:
        raise UsageError("data.replay_needs_parent")
    labels = _declared(spec.labels, ctx.root)
    corpus = inputs.corpus or read_corpus(spec.sources, ctx=ctx, spec=spec.read)
    survey = _survey(ctx.store.path(corpus.id, "rows.jsonl"))
    answer = _answer(spec, survey, parent=inputs.parent)
    counts = f"{survey.labelled} of {survey.rows} rows have a label, {survey.answered} an answer"
    ctx.progress.say(f"answer: {answer} ({counts})")
    with ctx.job("data", spec) as job:
        making = _Making(spec=spec, job=job, labels=labels, answer=answer, parent=inputs.parent)
        return making.dataset(corpus, survey)


@dataclass
class _Survey:
    """What the corpus holds, learnt by one look through it."""

    path: Path
    rows: int = 0
    labelled: int = 0
    answered: int = 0
    fixed: set[Split] = field(default_factory=set)


def _survey(path: Path) -> _Survey:
    survey = _Survey(path=path)
    for row in read_rows(path):
        survey.rows += 1
        survey.labelled += row.label is not None
        survey.answered += is_answered(row)
        if "split" in row.meta:
            survey.fixed.add(row.meta["split"])
    return survey


def _answer(spec: DataSpec, survey: _Survey, *, parent: Dataset | None) -> AnswerForm:
    if parent is None:
        return choose_answer(spec.compose, rows=survey.rows, labelled=survey.labelled, answered=survey.answered)
    if spec.compose.answer not in (None, parent.answer):
        raise UsageError("data.answer_differs", parent=parent.answer, answer=spec.compose.answer)
    return parent.answer


def _declared(labels: str | Sequence[str] | None, root: Path) -> tuple[str, ...] | None:
    """The classes that the spec declares, read from its file where it names one."""
    if labels is None or not isinstance(labels, str):
        return None if labels is None else tuple(labels)
    path = locate(labels, root=root)
    try:
        names = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, OSError) as error:
        raise DataError("data.bad_labels", path=labels) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError("data.bad_labels", path=labels)
    return tuple(names)


class _Making:
    """One dataset in the making."""

    def __init__(
        self, *, spec: DataSpec, job: Job, labels: tuple[str, ...] | None, answer: AnswerForm, parent: Dataset | None
    ) -> None:
        self.spec = spec
        self.job = job
        self.labels = labels
        self.answer: AnswerForm = answer
        self.parent = parent
        self.seed = seeds.derive(job.ctx.seed, "data", "split")
        self.guard = Guard(spec.dedupe.similarity)
        self.deduper = Deduper(spec.dedupe)
        self.sorter = Sorter(spec.split, seed=self.seed)
        self.masked: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.prompts: set[bytes] = set()
        self.names = set(parent.labels) if parent is not None else set()

    def dataset(self, corpus: Corpus, survey: _Survey) -> Dataset:
        """Sift, sort, write and commit."""
        self._settle(survey)
        sifted = self.job.path(_sifted_file)
        with self.job.ctx.progress.task("clean and deduplicate", total=survey.rows) as task:
            write_rows(sifted, self._sifted(survey.path, task))
        counts, replay = self._share_out(sifted)
        sifted.unlink()
        if counts["train"] == 0:
            reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.dropped.items())) or "none"
            raise DataError("data.nothing_left", rows=survey.rows, dropped=reasons)
        parents = {"corpus": corpus.id} | ({"parent": self.parent.id} if self.parent is not None else {})
        dataset = Dataset(
            parents=parents,
            made_by=self.job.origin,
            rows=survey.rows + replay,
            splits=counts,
            dropped=dict(sorted(self.dropped.items())),
            calibration=self._calibrate(),
            labels=tuple(sorted(self.names)),
            answer=self.answer,
            replay=replay,
            pii=dict(sorted(self.masked.items())),
        )
        self.job.ctx.progress.say(_ledger(dataset))
        return self.job.commit(dataset)

    def _settle(self, survey: _Survey) -> None:
        """Tell the guard what is held out or was trained: rows of all rounds before, and those that sources fix."""
        for ancestor in self._ancestors():
            for split in SPLITS:
                self.guard.settle(split, self._rows_of(ancestor, split))
        for split in survey.fixed - {"train"}:
            mine = (self._cleaned(row) for row in read_rows(survey.path) if row.meta.get("split") == split)
            self.guard.settle(split, (row for row in mine if row.dropped is None))

    def _sifted(self, path: Path, task: Task) -> Iterator[Row]:
        """Every row of the corpus, cleaned; those that are left out have a reason, the others go to the sorter."""
        for row in read_rows(path):
            task.advance()
            row, masked = clean(row, self.spec.clean)
            self.masked += masked
            row = self._judged(row)
            if row.dropped is None:
                row = self._compared(row)
            if row.dropped is not None:
                self.dropped[row.dropped] += 1
            yield row

    def _cleaned(self, row: Row) -> Row:
        return self._judged(clean(row, self.spec.clean)[0])

    def _judged(self, row: Row) -> Row:
        if row.dropped is not None:
            return row
        label = row.label
        if self.labels is not None and label is not None and label not in self.labels and label.isdecimal():
            label = self.labels[int(label)] if int(label) < len(self.labels) else label
        row = row.model_copy(update={"label": label})
        reason = noise(row, self.spec.filter) or unusable(row, self.answer, labels=self.labels)
        return row.model_copy(update={"dropped": reason})

    def _compared(self, row: Row) -> Row:
        """Leak check and deduplication; a row that stays is handed to the sorter."""
        mark = Fingerprint.of(asked(row))
        fixed: Split | None = row.meta.get("split")
        twin: Twin | None = self.guard.check(mark, fixed)
        if twin is None and (fixed != "test" or self.spec.dedupe.fixed_test):
            twin = self.deduper.check(row, mark)
        if twin is not None:
            return row.model_copy(update={"dropped": twin.reason, "twin": twin.id})
        self.sorter.add(row, mark, trained=self.guard.was_trained(mark))
        self.prompts.add(mark.key)
        if row.label is not None:
            self.names.add(row.label)
        return row

    def _share_out(self, sifted: Path) -> tuple[dict[str, int], int]:
        """Write the four files; returns the rows of each split, and how many of train are replayed."""
        places = self.sorter.assign()
        counts: dict[str, int] = dict.fromkeys(SPLITS, 0)
        with contextlib.ExitStack() as stack:
            names = (*SPLITS, "dropped")
            files = {n: stack.enter_context(self.job.path(f"{n}.jsonl").open("w", encoding="utf-8")) for n in names}
            for row in read_rows(sifted):
                if row.dropped is not None:
                    files["dropped"].write(to_line(row))
                    continue
                split = places[row.id]
                counts[split] += 1
                files[split].write(to_line(compose(row, self.spec.compose, answer=self.answer)))
            replay = self._replayed()
            files["train"].writelines(map(to_line, replay))
        counts["train"] += len(replay)
        return counts, len(replay)

    def _replayed(self) -> list[Row]:
        if self.spec.replay is None or self.parent is None:
            return []
        seed = seeds.derive(self.job.ctx.seed, "data", "replay")
        rows = self._rows_of(self.parent, "train")
        chosen = replayed(rows, self.spec.replay, new=self.prompts, seed=seed, parent=self.parent.id)
        self.names.update(row.label for row in chosen if row.label is not None)
        return chosen

    def _ancestors(self) -> Iterator[Dataset]:
        """The parent, its parent, and so on to the first round's dataset."""
        ancestor = self.parent
        while ancestor is not None:
            yield ancestor
            before = ancestor.parents.get("parent")
            ancestor = self.job.ctx.store.open(before, Dataset) if before else None

    def _rows_of(self, dataset: Dataset, split: Split) -> Iterator[Row]:
        return read_rows(self.job.ctx.store.path(dataset.id, f"{split}.jsonl"))

    def _calibrate(self) -> int:
        """Write the calibration view: the train rows with the lowest hashes."""
        seed = seeds.derive(self.job.ctx.seed, "data", "calibration")
        rows = read_rows(self.job.path("train.jsonl"))
        chosen = heapq.nsmallest(self.spec.calibration, rows, key=lambda row: seeds.derive(seed, row.id))
        return write_rows(self.job.path("calibration.jsonl"), chosen)


def _ledger(dataset: Dataset) -> str:
    """One line for people: where every row went."""
    kept = " + ".join(f"{dataset.splits[split]} {split}" for split in SPLITS)
    reasons = ", ".join(f"{reason} {count}" for reason, count in dataset.dropped.items())
    return f"{dataset.rows} rows in = {kept} + {sum(dataset.dropped.values())} dropped ({reasons or 'none'})"
