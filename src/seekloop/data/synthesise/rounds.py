"""Rounds of one synthesis: what is missing is asked for, checked, counted, and asked for again where it still lacks.

Whatever the rows are for, a corpus of their own or the rare labels of a dataset, this is how a teacher is asked: every
answer is on the disk before the next step, and the same items and seed make the same requests.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Row
from seekloop.data.synthesise.answers import Fault
from seekloop.data.synthesise.asking import Asker, Stopped
from seekloop.data.synthesise.making import Maker
from seekloop.data.synthesise.plan import Item, Planner
from seekloop.data.synthesise.prompts import Prompts
from seekloop.data.synthesise.spec import SynthesiseSpec
from seekloop.runtime.endpoint.meter import Meter, prompt_tokens
from seekloop.runtime.endpoint.queue import Queue

__all__ = ["QUEUE", "Made", "Rounds"]

QUEUE = "synthesise/answers.sqlite"
"""Where answers are kept, below the project's folder of work."""


@dataclass
class Made:
    """What came of the items so far."""

    rows: list[Row] = field(default_factory=list)
    kept: Counter[str] = field(default_factory=Counter)
    """Rows kept by label."""
    items: int = 0
    not_asked: int = 0
    """Items that the budget had no room for."""

    @property
    def dropped(self) -> dict[str, int]:
        """Reason -> rows that cannot be used."""
        return dict(sorted(Counter(row.dropped for row in self.rows if row.dropped is not None).items()))


class Rounds:
    """Asks one teacher for what a planner says is missing.

    Args:
        spec: teacher, task, budget.
        planner: the items of each round.
        maker: makes rows of answers, and checks them.
        queue: answers on disk.
        ctx: clock, progress, folder of the user's prompts.
        seed: of the requests.
    """

    def __init__(
        self, spec: SynthesiseSpec, *, planner: Planner, maker: Maker, queue: Queue, ctx: RunContext, seed: int
    ) -> None:
        self.spec = spec
        self.planner = planner
        self.meter = Meter(spec.teacher, spec.budget)
        self.prompts = Prompts(spec.task, root=ctx.root)
        self.asker = Asker(spec, prompts=self.prompts, queue=queue, meter=self.meter, clock=ctx.clock, seed=seed)
        self._maker = maker
        self._progress = ctx.progress

    def run(self) -> Made:
        """Ask round by round until nothing is missing, the rounds are over or the budget is spent.

        Raises:
            DataError: the teacher cannot be reached or refuses; what it answered before is kept.
        """
        made = Made()
        number = 0
        while items := self.planner.round(number, made.kept):
            asked = self._within_rows(items, made)
            self.asker.count(asked)
            self._estimate(asked, number)
            with self._progress.task(f"ask {self.spec.teacher.model}", total=len(asked)) as task:
                self.asker.answer(asked, task)
            for item in asked:
                self._take(item, made)
            number += 1
            if made.not_asked or self._is_spent(made):
                made.items += len(items) - len(asked)
                made.not_asked += len(items) - len(asked)
                break
        self._say_end(made)
        return made

    def report(self, made: Made) -> dict[str, object]:
        """What the artifact keeps of it, in plain values."""
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
            "dropped": made.dropped,
            "missing": self.planner.missing(made.kept),
        }

    def _within_rows(self, items: Sequence[Item], made: Made) -> Sequence[Item]:
        """As many of the items as may still be asked, given how many rows the budget has room for."""
        most = self.spec.budget.rows
        if most is None:
            return items
        room = most - made.kept.total()
        return items[: math.ceil(room / items[0].words["count"])]

    def _take(self, item: Item, made: Made) -> None:
        found: BaseModel | Fault | Stopped = self.asker.settled(item)
        made.items += 1
        if isinstance(found, Stopped):
            made.not_asked += 1
            return
        for row in self._maker.rows(item, found, template=self.prompts.digest(item.seed.language)):
            label = row.label or ""
            if row.dropped is None and (self.planner.is_full(label, made.kept) or self._is_spent(made)):
                row = row.model_copy(update={"dropped": "not_needed"})
            if row.dropped is None:
                made.kept[label] += 1
            made.rows.append(row)

    def _is_spent(self, made: Made) -> bool:
        return self.spec.budget.rows is not None and made.kept.total() >= self.spec.budget.rows

    def _estimate(self, items: Sequence[Item], number: int) -> None:
        pending = list(self.asker.pending(items))
        tokens_in = sum(prompt_tokens(one.body["messages"]) for one in pending)
        tokens_out = len(pending) * self.spec.teacher.max_tokens
        money = self.meter.money(tokens_in, tokens_out)
        price = "" if money is None else f", at most {money:.4f} in money"
        self._progress.say(
            f"round {number + 1}: {len(pending)} requests to {self.spec.teacher.model}"
            f" ({len(items) - len(pending)} answered before), about {tokens_in} tokens in,"
            f" at most {tokens_out} out{price}"
        )

    def _say_end(self, made: Made) -> None:
        dropped = made.dropped
        reasons = ", ".join(f"{reason} {count}" for reason, count in dropped.items()) or "none"
        kept = len(made.rows) - sum(dropped.values())
        self._progress.say(f"{self.meter.described()}: {kept} rows kept, {sum(dropped.values())} dropped ({reasons})")
        if made.not_asked:
            self._progress.say(
                f"the budget is spent: {made.not_asked} of {made.items} items were not asked;"
                " raise it and run again, nothing is asked twice"
            )
        missing = self.planner.missing(made.kept)
        if missing:
            gaps = ", ".join(f"{label or 'rows'} {count}" for label, count in sorted(missing.items()))
            self._progress.say(f"still missing: {gaps}")
