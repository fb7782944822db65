"""Seeds -> requests -> answers -> a corpus of synthetic rows, with what it cost in its receipt.

Every answer is kept as soon as it comes, in `work/synthesise/answers.sqlite`. A run that is killed, or stopped by its
budget, goes on where it was: the same spec, seeds and seed of the run make the same requests.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Corpus, Dataset
from seekloop.artifact.rows import Row, read_rows, write_rows
from seekloop.data.intents import Example, LabelHead
from seekloop.data.synthesise.asking import Asker
from seekloop.data.synthesise.checks import Check, label_check
from seekloop.data.synthesise.likes import Likes
from seekloop.data.synthesise.making import Maker
from seekloop.data.synthesise.plan import Item, Planner
from seekloop.data.synthesise.rounds import QUEUE, Rounds
from seekloop.data.synthesise.seeds import Seed, chosen, read_seeds
from seekloop.data.synthesise.spec import SynthesiseInputs, SynthesiseSpec
from seekloop.data.wording import asked
from seekloop.runtime.endpoint.queue import Queue
from seekloop.system import seeds
from seekloop.system.errors import DataError, UsageError
from seekloop.system.files import write_whole

__all__ = ["QUEUE", "REPORT", "Session", "synthesise"]

REPORT = "synthesis.json"
_rows_file = "rows.jsonl"


def synthesise(
    spec: SynthesiseSpec, inputs: SynthesiseInputs, *, ctx: RunContext, checks: Sequence[Check] = ()
) -> Corpus:
    """Ask a teacher, and commit its rows as a corpus; what failed is a dropped row with its reason.

    Every row is fixed to train and names its seeds, so that it never stands in test, nor its seed either.

    Args:
        spec: teacher, task, budget.
        inputs: a corpus or a dataset, one of them.
        ctx: store, ledger, seed, progress, folder of work.
        checks: more reasons to leave a row out, such as a label check.

    Raises:
        UsageError: no seeds are given, or the key is not in the environment.
        DataError: there is no seed, the teacher cannot be reached, or it refuses; answers so far are kept.
        ArtifactError: the disk is full.
    """
    with Session(spec, inputs, ctx=ctx, checks=checks) as session:
        return session.corpus()


class Session:
    """One synthesis: its seeds, its requests, and the answers on disk."""

    def __init__(
        self, spec: SynthesiseSpec, inputs: SynthesiseInputs, *, ctx: RunContext, checks: Sequence[Check] = ()
    ) -> None:
        given = [one for one in (inputs.corpus, inputs.dataset) if one is not None]
        if len(given) != 1:
            raise UsageError("synthesise.one_input", given=len(given))
        self.spec = spec
        self.ctx = ctx
        self.source: Corpus | Dataset = given[0]
        self.seed = seeds.derive(ctx.seed, "data", "synthesise")
        self.maker = Maker(spec, held_out=self._held_out(), checks=checks)
        self.planner = self._planner()
        self.queue = Queue(ctx.work / QUEUE)
        self.rounds = Rounds(spec, planner=self.planner, maker=self.maker, queue=self.queue, ctx=ctx, seed=self.seed)

    @property
    def asker(self) -> Asker:
        """Who sends the requests."""
        return self.rounds.asker

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.queue.close()

    def corpus(self) -> Corpus:
        """Ask round by round, then commit."""
        with self.ctx.job("data.synthesise", self.spec) as job:
            made = self.rounds.run()
            count = write_rows(job.path(_rows_file), made.rows)
            report = self.rounds.report(made)
            write_whole(job.path(REPORT), (json.dumps(report, ensure_ascii=False, indent=2) + "\n").encode())
            corpus = Corpus(
                parents={"seeds": self.source.id},
                made_by=job.origin,
                rows=count,
                sources=(f"teacher:{self.spec.teacher.model}",),
                formats=(f"teacher/{self.spec.task.kind}",),
            )
            return job.commit(corpus, cost=self.rounds.meter.cost())

    def first_round(self) -> list[Item]:
        """The items of the first round, for a batch file."""
        fresh = Planner(task=self.spec.task, seeds=self.planner.seeds, have=self.planner.have, seed=self.seed)
        return fresh.round(0, {})

    def _rows(self) -> Iterator[Row]:
        name = "train.jsonl" if isinstance(self.source, Dataset) else _rows_file
        return read_rows(self.ctx.store.path(self.source.id, name))

    def _planner(self) -> Planner:
        form = self.source.answer if isinstance(self.source, Dataset) else "text"
        have: Counter[str] = Counter()
        found: list[Seed] = []
        for one in read_seeds(self._rows(), form=form, language=self.spec.task.language, mask=self.spec.mask):
            have[one.label or ""] += 1
            found.append(one)
        self.maker.seen.extend((one.id, one.text) for one in found)
        if not found:
            raise DataError("synthesise.no_seeds", where=self.source.id)
        if self.spec.label_check is not None and self.spec.task.kind == "paraphrase":
            self.maker.checks.append(label_check(_head(found, confidence=self.spec.label_check)))
        used = chosen(found, seed=self.seed, count=self.spec.seeds)
        return Planner(task=self.spec.task, seeds=used, have=have, seed=self.seed)

    def _held_out(self) -> dict[str, Likes]:
        """What the dataset tests: a teacher may know its test rows, and must not teach them."""
        held: dict[str, Likes] = {}
        for split in ("test", "validation") if isinstance(self.source, Dataset) else ():
            held[split] = Likes(self.spec.similarity)
            rows = read_rows(self.ctx.store.path(self.source.id, f"{split}.jsonl"))
            held[split].extend((row.id, asked(row)) for row in rows)
        return held


def _head(found: Sequence[Seed], *, confidence: float) -> LabelHead:
    """The label check, learnt from the seeds."""
    labels = sorted({one.label for one in found if one.label is not None})

    def examples() -> Iterator[Example]:
        return (Example(one.id, one.text, one.label) for one in found if one.label is not None)

    return LabelHead.train(examples, labels=labels, confidence=confidence)
