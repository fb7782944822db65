"""Seeds -> requests -> answers -> a corpus of synthetic rows, with what it cost in its receipt.

Every answer is kept as soon as it comes, in `work/synthesise/answers.sqlite`. A run that is killed, or stopped by its
budget, goes on where it was: the same spec, seeds and seed of the run make the same requests.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Corpus, Dataset
from seekloop.artifact.rows import Row, read_rows, write_rows
from seekloop.data.synthesise.answers import Fault
from seekloop.data.synthesise.asking import Asker, Stopped
from seekloop.data.synthesise.likes import Likes
from seekloop.data.synthesise.making import Check, Maker
from seekloop.data.synthesise.meter import Meter, prompt_tokens
from seekloop.data.synthesise.plan import Item, Planner
from seekloop.data.synthesise.prompts import Prompts
from seekloop.data.synthesise.queue import Queue
from seekloop.data.synthesise.seeds import Seed, chosen, read_seeds
from seekloop.data.synthesise.spec import SynthesiseInputs, SynthesiseSpec
from seekloop.data.wording import asked
from seekloop.system import seeds
from seekloop.system.errors import DataError, UsageError
from seekloop.system.files import write_whole

__all__ = ["QUEUE", "REPORT", "Session", "synthesise"]

QUEUE = "synthesise/answers.sqlite"
"""Where answers are kept, below the project's folder of work."""
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


@dataclass
class _Made:
    """What came of the items so far."""

    rows: list[Row] = field(default_factory=list)
    kept: Counter[str] = field(default_factory=Counter)
    """Rows kept by label."""
    items: int = 0
    not_asked: int = 0


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
        self.meter = Meter(spec.teacher, spec.budget)
        self.prompts = Prompts(spec.task, root=ctx.root)
        self.maker = Maker(spec, held_out=self._held_out(), checks=checks)
        self.planner = self._planner()
        self.queue = Queue(ctx.work / QUEUE)
        self.asker = Asker(
            spec, prompts=self.prompts, queue=self.queue, meter=self.meter, clock=ctx.clock, seed=self.seed
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.queue.close()

    def corpus(self) -> Corpus:
        """Ask round by round, then commit."""
        with self.ctx.job("data.synthesise", self.spec) as job:
            made = self._rounds()
            count = write_rows(job.path(_rows_file), made.rows)
            report = self._report(made)
            write_whole(job.path(REPORT), (json.dumps(report, ensure_ascii=False, indent=2) + "\n").encode())
            corpus = Corpus(
                parents={"seeds": self.source.id},
                made_by=job.origin,
                rows=count,
                sources=(f"teacher:{self.spec.teacher.model}",),
                formats=(f"teacher/{self.spec.task.kind}",),
            )
            return job.commit(corpus, cost=self.meter.cost())

    def first_round(self) -> list[Item]:
        """The items of the first round, for a batch file."""
        fresh = Planner(task=self.spec.task, seeds=self.planner.seeds, have=self.planner.have, seed=self.seed)
        return fresh.round(0, {})

    def _rounds(self) -> _Made:
        made = _Made()
        number = 0
        while items := self.planner.round(number, made.kept):
            self.asker.count(items)
            self._estimate(items, number)
            with self.ctx.progress.task(f"ask {self.spec.teacher.model}", total=len(items)) as task:
                self.asker.answer(items, task)
            for item in items:
                self._take(item, made)
            number += 1
            if made.not_asked:
                break
        self._say_end(made)
        return made

    def _take(self, item: Item, made: _Made) -> None:
        found: BaseModel | Fault | Stopped = self.asker.settled(item)
        made.items += 1
        if isinstance(found, Stopped):
            made.not_asked += 1
            return
        for row in self.maker.rows(item, found, template=self.prompts.digest(item.seed.language)):
            label = row.label or ""
            if row.dropped is None and self.planner.is_full(label, made.kept):
                row = row.model_copy(update={"dropped": "not_needed"})
            if row.dropped is None:
                made.kept[label] += 1
            made.rows.append(row)

    def _estimate(self, items: Sequence[Item], number: int) -> None:
        pending = list(self.asker.pending(items))
        tokens_in = sum(prompt_tokens(one.body["messages"]) for one in pending)
        tokens_out = len(pending) * self.spec.teacher.max_tokens
        money = self.meter.money(tokens_in, tokens_out)
        price = "" if money is None else f", at most {money:.4f} in money"
        self.ctx.progress.say(
            f"round {number + 1}: {len(pending)} requests to {self.spec.teacher.model}"
            f" ({len(items) - len(pending)} answered before), about {tokens_in} tokens in,"
            f" at most {tokens_out} out{price}"
        )

    def _say_end(self, made: _Made) -> None:
        dropped = Counter(row.dropped for row in made.rows if row.dropped is not None)
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(dropped.items())) or "none"
        kept = len(made.rows) - sum(dropped.values())
        self.ctx.progress.say(
            f"{self.meter.described()}: {kept} rows kept, {sum(dropped.values())} dropped ({reasons})"
        )
        if made.not_asked:
            self.ctx.progress.say(
                f"the budget is spent: {made.not_asked} of {made.items} items were not asked;"
                " raise it and run again, nothing is asked twice"
            )
        missing = self.planner.missing(made.kept)
        if missing:
            gaps = ", ".join(f"{label or 'rows'} {count}" for label, count in sorted(missing.items()))
            self.ctx.progress.say(f"still missing: {gaps}")

    def _report(self, made: _Made) -> dict[str, object]:
        dropped = Counter(row.dropped for row in made.rows if row.dropped is not None)
        return {
            "teacher": self.spec.teacher.model,
            "task": self.spec.task.kind,
            "templates": sorted({row.meta["synthetic"]["template"] for row in made.rows}),
            "items": made.items,
            "not_asked": made.not_asked,
            "answers": self.meter.answers,
            "answers_counted_by_us": self.meter.estimated,
            "cost": self.meter.cost(),
            "kept": dict(sorted(made.kept.items())),
            "dropped": dict(sorted(dropped.items())),
            "missing": self.planner.missing(made.kept),
        }

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
