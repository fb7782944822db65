"""Items answered: what is on disk is taken from there, the rest is asked, several at once, within the budget."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from seekloop.data.synthesise.answers import Fault, parse, schema_of
from seekloop.data.synthesise.plan import Item
from seekloop.data.synthesise.prompts import Prompts
from seekloop.data.synthesise.spec import SynthesiseSpec
from seekloop.runtime.endpoint.client import Client, body_of
from seekloop.runtime.endpoint.meter import Meter, prompt_tokens
from seekloop.runtime.endpoint.queue import Kept, Queue, request_key
from seekloop.system import seeds
from seekloop.system.clock import Clock
from seekloop.system.errors import SeekloopError
from seekloop.system.progress import Task

__all__ = ["Asker", "Pending", "Stopped"]


@dataclass(frozen=True)
class Stopped:
    """An item that was not asked, since the budget is spent."""


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A request that has no answer on disk yet."""

    key: str
    item: Item
    body: dict[str, Any]


class Asker:
    """Asks one teacher for the items of one synthesis."""

    def __init__(
        self, spec: SynthesiseSpec, *, prompts: Prompts, queue: Queue, meter: Meter, clock: Clock, seed: int
    ) -> None:
        self.spec = spec
        self.prompts = prompts
        self.queue = queue
        self.meter = meter
        self._clock = clock
        self._seed = seed
        self._form = schema_of(spec.task)
        self._failed = False

    def pending(self, items: Sequence[Item]) -> Iterator[Pending]:
        """The next request of each item that its answers on disk do not settle."""
        for item in items:
            step = self._settled(item)
            if isinstance(step, Pending):
                yield step

    def settled(self, item: Item) -> BaseModel | Fault | Stopped:
        """What the answers on disk make of an item."""
        step = self._settled(item)
        return Stopped() if isinstance(step, Pending) else step

    def count(self, items: Sequence[Item]) -> None:
        """Tell the meter of every answer on disk for these items: they were paid for in an earlier run."""
        for item in items:
            for kept in self._answers(item)[0]:
                self.meter.add(kept)

    def answer(self, items: Sequence[Item], task: Task) -> None:
        """Ask until every item is settled or the budget is spent; every answer is on disk before the next step.

        Raises:
            DataError: the teacher cannot be reached or refuses; answers under way are still kept.
        """
        asyncio.run(self._answer(items, task))

    async def _answer(self, items: Sequence[Item], task: Task) -> None:
        waiting = iter(items)
        async with Client(self.spec.teacher, clock=self._clock) as client:
            workers = (self._work(waiting, client=client, task=task) for _ in range(self.spec.teacher.concurrency))
            ended = await asyncio.gather(*workers, return_exceptions=True)
        for one in ended:
            if isinstance(one, BaseException):
                raise one

    async def _work(self, waiting: Iterator[Item], *, client: Client, task: Task) -> None:
        for item in waiting:
            while isinstance(step := self._settled(item), Pending):
                tokens = prompt_tokens(step.body["messages"])
                if self._failed or not self.meter.reserve(tokens):
                    return
                try:
                    kept = await client.ask(step.body)
                except SeekloopError:
                    self._failed = True
                    raise
                finally:
                    self.meter.release(tokens)
                self.queue.put(step.key, kept, item=item.id)
                self.meter.add(kept)
            task.advance()

    def _settled(self, item: Item) -> BaseModel | Fault | Pending:
        return self._answers(item)[1]

    def _answers(self, item: Item) -> tuple[list[Kept], BaseModel | Fault | Pending]:
        """The answers on disk, from the first attempt on, and where they lead."""
        language = item.seed.language
        messages = self.prompts.ask(language, item.words)
        found: list[Kept] = []
        for attempt in range(self.spec.attempts):
            number = seeds.derive(self._seed, item.id, attempt)
            body = body_of(self.spec.teacher, messages, seed=number)
            key = request_key(item.id, body)
            kept = self.queue.get(key)
            if kept is None:
                return found, Pending(key=key, item=item, body=body)
            found.append(kept)
            if kept.rejected:
                return found, Fault("teacher_rejected", kept.rejected)
            value = parse(kept.text, self._form, cut_short=kept.finish == "length")
            if not isinstance(value, Fault) or value.reason == "teacher_refused":
                return found, value
            messages = [*messages, *self.prompts.mend(language, answer=kept.text, problem=value.problem)]
        return found, value
