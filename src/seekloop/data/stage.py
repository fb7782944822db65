"""The data stage: sources or a corpus into a dataset, every row of it accounted for.

Rows stream from the corpus through the operators, part by part, and each finished part is kept until the dataset is
committed, so that a killed run goes on. What is left is compared (`leak`, `dedupe`), sorted into splits, composed and
written. In memory are fingerprints, not texts.
"""

from __future__ import annotations

import contextlib
import heapq
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seekloop.artifact.context import Job, RunContext
from seekloop.artifact.kinds import Corpus, Dataset
from seekloop.artifact.rows import Row, read_rows, to_line
from seekloop.data.balancing import balanced
from seekloop.data.clean import clean, write_normalised
from seekloop.data.compose import choose_answer, compose
from seekloop.data.declared import declared_levels
from seekloop.data.dedupe import Deduper, Twin
from seekloop.data.findings import REPORT, Findings
from seekloop.data.folds import fold
from seekloop.data.labels.labelling import labels_of
from seekloop.data.leak import keep
from seekloop.data.meaning import Meanings
from seekloop.data.mix import LEFT_OUT, mixed
from seekloop.data.operators import CLEANING, JUDGING, Terms, sift
from seekloop.data.parts import Parts, Step, rows_a_part
from seekloop.data.read import read_corpus
from seekloop.data.replay import Draw, drawn
from seekloop.data.rewording import reword
from seekloop.data.rounds import Rounds, Taught, replayable
from seekloop.data.sieve import learns, learnt
from seekloop.data.spec import DataInputs, DataSpec, Split
from seekloop.data.split import Sorter
from seekloop.data.survey import Survey
from seekloop.data.survey import survey as look_through
from seekloop.data.wording import asked
from seekloop.system import digests, provenance, seeds
from seekloop.system.errors import DataError, UsageError
from seekloop.text.folding import simplifies
from seekloop.text.labelled import AnswerForm
from seekloop.text.shingles import prints

__all__ = ["run"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


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
    labelling = declared_levels(spec.labels, ctx.root)
    corpus = inputs.corpus or read_corpus(spec.sources, ctx=ctx, spec=spec.read)
    survey = look_through(ctx.store.path(corpus.id, "rows.jsonl"), labelling)
    answer = _answer(spec, survey, parent=inputs.parent)
    counts = f"{survey.labelled} of {survey.rows} rows have a label, {survey.answered} an answer"
    ctx.progress.say(f"answer: {answer} ({counts})")
    if survey.rows and not simplifies():
        ctx.progress.say("traditional and simplified Chinese are not compared: pip install 'seekloop[data]'")
    with ctx.job("data", spec) as job:
        terms = Terms.of(spec, answer=answer, labelling=survey.labelling, ctx=ctx)
        size = rows_a_part(survey.rows)
        folder = ctx.work / f"data-{_key(spec, inputs, corpus=corpus, ctx=ctx)}"
        parts = Parts(folder, survey.path, size=size)
        with parts.locked():
            if parts.found:
                ctx.progress.say(f"goes on where it stopped: {parts.found} parts of {size} rows are done")
            making = _Making(job=job, terms=terms, survey=survey, parts=parts, inputs=inputs)
            return making.dataset(corpus)


def _key(spec: DataSpec, inputs: DataInputs, *, corpus: Corpus, ctx: RunContext) -> str:
    """Everything that decides what the run does, as the name of its work folder."""
    parent = inputs.parent.id if inputs.parent is not None else None
    parts: list[Any] = [
        spec.digest,
        ctx.digests_of(spec),
        corpus.id,
        parent,
        [one.id for one in inputs.ancestors],
        ctx.seed,
        provenance.code_version(),
        provenance.lock_digest(),
    ]
    return digests.of_json(parts).removeprefix("sha256:")[:16]


def _answer(spec: DataSpec, survey: Survey, *, parent: Dataset | None) -> AnswerForm:
    if parent is None:
        return choose_answer(spec.compose, rows=survey.rows, labelled=survey.labelled, answered=survey.answered)
    if spec.compose.answer not in (None, parent.answer):
        raise UsageError("data.answer_differs", parent=parent.answer, answer=spec.compose.answer)
    return parent.answer


class _Making:
    """One dataset in the making."""

    def __init__(self, *, job: Job, terms: Terms, survey: Survey, parts: Parts, inputs: DataInputs) -> None:
        spec = self.spec = terms.spec
        self.job = job
        self.terms = terms
        self.survey = survey
        self.parts = parts
        self.sifted = Step(parts, "part", lambda batch: sift(batch, terms))
        parent = self.parent = inputs.parent
        self.rounds = Rounds(inputs, ctx=job.ctx)
        seed = seeds.derive(job.ctx.seed, "data", "split")
        self.guard = self.rounds.guard(spec.dedupe)
        self.before = self.guard.snapshot()
        """The same of the rounds before alone: the other is told this dataset's own held-out rows, too."""
        drops = spec.dedupe.trained == "drop" and parent is not None
        self.taught = Taught(self.rounds, spec.compose, form=terms.answer) if drops else None
        self.draw: Draw | None = None
        meaning = spec.dedupe.meaning
        meanings = None if meaning is None else Meanings(meaning, root=job.ctx.root)
        self.deduper = Deduper(spec.dedupe, meanings=meanings)
        self.sorter = Sorter(spec.split, seed=seed)
        self.findings = Findings()
        self.masked: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.prompts: set[bytes] = set()
        self.counts: Counter[str] = Counter()
        self.label_notes: Counter[str] = Counter()
        self.cost: dict[str, float] = {}
        self.names = set(parent.labels) if parent is not None else set()

    def dataset(self, corpus: Corpus) -> Dataset:
        """Sift, compare, sort, write and commit."""
        survey = self.survey
        self._learn()
        self._settle()
        with self.job.ctx.progress.task("clean and deduplicate", total=survey.rows) as task:
            for batch in self.sifted:
                self.masked.update(batch.masked)
                self.changed.update(batch.normalised)
                self._compare([row for row in batch.rows if row.dropped is None])
                self.dropped.update(row.dropped for row in batch.rows if row.dropped is not None)
                task.advance(len(batch.rows))
        self.dropped.update(twin.reason for twin in self.findings.twins.values())
        places = self.sorter.assign()
        counts, replay, calibration = self._share_out(places)
        if counts["train"] == 0:
            reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.dropped.items())) or "none"
            raise DataError("data.nothing_left", rows=survey.rows, dropped=reasons)
        write_normalised(self.job, self.changed)
        self._report_labels()
        self._hold_out()
        added = self._balance(counts) | self._mix(counts)
        if self.spec.epochs is not None:
            reword(self.spec.epochs, job=self.job, guard=self.guard)
        if self.spec.folds is not None:
            fold(self.spec.folds, groups=self.sorter.groups(), job=self.job)
        said = self._rounds_before(replay=replay)
        parents = {"corpus": corpus.id} | ({"parent": self.parent.id} if self.parent is not None else {})
        dataset = Dataset(
            parents=parents,
            made_by=self.job.origin,
            rows=survey.rows + replay,
            splits=counts,
            dropped=dict(sorted(self.dropped.items())),
            calibration=calibration,
            labels=tuple(sorted(self.names)),
            answer=self.terms.answer,
            replay=replay,
            added=added,
            pii=dict(sorted(self.masked.items())),
        )
        self.findings.write(self.job.path(REPORT), rows=survey.rows, dropped=self.dropped, more=said)
        self.job.ctx.progress.say(_ledger(dataset))
        if self.changed:
            self.job.ctx.progress.say(f"normalised: {', '.join(f'{k} {n}' for k, n in sorted(self.changed.items()))}")
        dataset = self.job.commit(dataset, cost=self.cost)
        keep(self.sorter, places, dataset=dataset, ctx=self.job.ctx)
        self.parts.remove()
        return dataset

    def _learn(self) -> None:
        """Let the sieve learn what it needs to know of the corpus, once that is cleaned, and of the rounds before."""
        if not learns(self.spec.filter):
            return
        cleaned = Step(self.parts, "clean", lambda batch: sift(batch, self.terms, names=CLEANING))
        sieve = learnt(
            self.spec.filter,
            lambda: (row for batch in cleaned for row in batch.rows if row.dropped is None),
            clean=lambda row: clean(row, self.spec.clean, redactor=self.terms.redactor)[0],
            ancestors=iter(self.rounds.datasets),
            job=self.job,
        )
        terms = replace(self.terms, sieve=sieve)
        self.sifted = Step(self.parts, "part", lambda batch: sift(batch, terms, names=JUDGING), of=cleaned)

    def _settle(self) -> None:
        """Tell the guard what sources fix as held out; it knows the rows of all rounds before."""
        held_out = self.survey.fixed - {"train"}
        for batch in self.sifted if held_out else ():
            rows = [row for row in batch.rows if row.dropped is None]
            for split in sorted(held_out):
                self.guard.settle(split, [row for row in rows if row.meta.get("split") == split])

    def _hold_out(self) -> None:
        """Tell the guard this dataset's own held-out rows, where rows are made that must not be like them."""
        made = self.spec.balance is not None or self.spec.epochs is not None
        for split in (name for name in SPLITS if name != "train") if made else ():
            self.guard.settle(split, read_rows(self.job.path(f"{split}.jsonl")))

    def _compare(self, rows: Sequence[Row]) -> None:
        """Leak check and deduplication; rows that stay are handed to the sorter."""
        marks = prints([asked(row) for row in rows])
        fixed: list[Split | None] = [row.meta.get("split") for row in rows]
        standings = self.guard.check(marks, fixed)
        twins: list[Twin | None] = [standing.twin for standing in standings]
        if self.taught is not None:
            twins = [one or other for one, other in zip(twins, self.taught.twins(rows, standings), strict=True)]
        thinned = [
            place
            for place, split in enumerate(fixed)
            if twins[place] is None and (split != "test" or self.spec.dedupe.fixed_test)
        ]
        found = self.deduper.check([rows[place] for place in thinned], marks.take(np.array(thinned, np.int64)))
        for place, twin in zip(thinned, found, strict=True):
            twins[place] = twin
        stay = [place for place, twin in enumerate(twins) if twin is None]
        for row, twin in zip(rows, twins, strict=True):
            if twin is not None:
                self.findings.add(row, twin)
        kept, trained = [rows[place] for place in stay], [standings[place].trained for place in stay]
        staying = marks.take(np.array(stay, np.int64))
        self.sorter.add(kept, trained=trained, prompts=staying)
        if self.spec.replay is not None:
            self.prompts.update(key.tobytes() for key in staying.keys)
        self.names.update(row.label for row in kept if row.label is not None)
        for row in kept if self.terms.labelling is not None else ():
            self.counts.update(labels_of(row))
            self.label_notes.update(note for note in ("decided_by", "label_was") if note in row.meta)

    def _share_out(self, places: Mapping[str, Split]) -> tuple[dict[str, int], int, int]:
        """Write the files; returns the rows of each split, how many of train are replayed, and those of calibration."""
        counts: dict[str, int] = dict.fromkeys(SPLITS, 0)
        sample = _Sample(self.spec.calibration, seed=seeds.derive(self.job.ctx.seed, "data", "calibration"))
        with contextlib.ExitStack() as stack:
            names = (*SPLITS, "dropped")
            files = {n: stack.enter_context(self.job.path(f"{n}.jsonl").open("w", encoding="utf-8")) for n in names}
            for row in self._decided():
                if row.dropped is not None:
                    files["dropped"].write(to_line(row))
                    continue
                split, line = places[row.id], to_line(compose(row, self.spec.compose, answer=self.terms.answer))
                counts[split] += 1
                files[split].write(line)
                if split == "train":
                    sample.offer(row.id, line)
            replay = 0
            for row in self._replayed(fresh=counts["train"]):
                files["train"].write(line := to_line(row))
                sample.offer(row.id, line)
                replay += 1
        counts["train"] += replay
        self.job.path("calibration.jsonl").write_text("".join(sample.lines()), "utf-8")
        return counts, replay, len(sample.lines())

    def _decided(self) -> Iterator[Row]:
        """Every row of the corpus in order, with its reason and twin where it is left out."""
        for batch in self.sifted:
            for row in batch.rows:
                self.findings.look(row)
                twin = self.findings.twins.get(row.id)
                yield row if twin is None else row.model_copy(update={"dropped": twin.reason, "twin": twin.id})

    def _mix(self, counts: dict[str, int]) -> dict[str, int]:
        """Mix the train rows by temperature, now that no row changes its split; returns the rows made, by how."""
        if self.spec.mix is None:
            return {}
        done = mixed(self.spec.mix, job=self.job)
        self.dropped.update({LEFT_OUT: done.dropped} if done.dropped else {})
        counts["train"] += done.added - done.dropped
        return {"mix": done.added} if done.added else {}

    def _replayed(self, *, fresh: int) -> Iterator[Row]:
        if self.spec.replay is None:
            return
        seed = seeds.derive(self.job.ctx.seed, "data", "replay")
        self.draw = drawn(self.rounds.trained, self.spec.replay, new=self.prompts, fresh=fresh, seed=seed)
        yield from replayable(self.draw, self.before)

    def _rounds_before(self, *, replay: int) -> dict[str, Any]:
        """What the report of a later round says of those before: what was replayed, and that nothing near is trained.

        Raises:
            DataError: a train row is near one that they hold out.
        """
        if self.parent is None:
            return {}
        said: dict[str, Any] = {"frozen": self.rounds.prove(read_rows(self.job.path("train.jsonl")), self.before)}
        if self.draw is not None:
            left_out = {reason: count for reason, count in sorted(self.draw.left_out.items()) if count}
            said["replay"] = {"rows": replay, "of": self.draw.eligible, "left_out": left_out}
            reasons = ", ".join(f"{reason} {count}" for reason, count in left_out.items()) or "none"
            self.job.ctx.progress.say(f"replay: {replay} of {self.draw.eligible} rows; left out: {reasons}")
        return said

    def _report_labels(self) -> None:
        """Write and say what became of the labels."""
        if self.terms.labelling is None:
            return
        report = self.terms.labelling.report(self.counts, notes=self.label_notes)
        text = json.dumps(report, ensure_ascii=False, indent=2) + "\n"
        self.job.path("labels.json").write_text(text, "utf-8")
        levels = ", ".join(f"{len(level['rows'])} on level {level['level']}" for level in report["levels"])
        self.job.ctx.progress.say(f"labels: {levels or 'none'}; given to the class above: {len(report['backed_off'])}")

    def _balance(self, counts: dict[str, int]) -> dict[str, int]:
        """Even out the labels of the train rows, now that no row changes its split; returns the rows made, by how."""
        if self.spec.balance is None:
            return {}
        done = balanced(self.spec.balance, job=self.job, guard=self.guard, form=self.terms.answer)
        self.cost.update(done.cost)
        self.dropped.update({"over_cap": done.dropped} if done.dropped else {})
        counts["train"] += sum(done.added.values()) - done.dropped
        return done.added


class _Sample:
    """The calibration view: the train rows with the lowest hashes, the lowest first."""

    def __init__(self, size: int, *, seed: int) -> None:
        self._size = size
        self._seed = seed
        self._lowest: list[tuple[int, int, str]] = []
        self._offered = 0

    def offer(self, identity: str, line: str) -> None:
        """Take a train row into account."""
        entry = (-seeds.derive(self._seed, identity), -self._offered, line)
        self._offered += 1
        if len(self._lowest) < self._size:
            heapq.heappush(self._lowest, entry)
        elif self._size:
            heapq.heappushpop(self._lowest, entry)

    def lines(self) -> list[str]:
        """The rows' lines."""
        return [line for _, _, line in sorted(self._lowest, reverse=True)]


def _ledger(dataset: Dataset) -> str:
    """One line for people: where every row went."""
    kept = " + ".join(f"{dataset.splits[split]} {split}" for split in SPLITS)
    reasons = ", ".join(f"{reason} {count}" for reason, count in dataset.dropped.items())
    made = f" + {sum(dataset.added.values())} made" if dataset.added else ""
    return f"{dataset.rows} rows in{made} = {kept} + {sum(dataset.dropped.values())} dropped ({reasons or 'none'})"
