"""A judge looks at every row of a study's reports; each answer is on the disk before the next step.

Two answers are shown in both orders, and a judge that changes its mind with the order has said tie. What it refuses,
what cannot be read and what the endpoint never answered is invalid and counted: it is no verdict for anybody.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.evaluate.human.book import Winner
from seekloop.evaluate.human.desk import sides
from seekloop.evaluate.human.study import ASKED, JUDGED, Study
from seekloop.evaluate.human.tasks import Task, tasks_of
from seekloop.evaluate.human.verdicts import VERDICTS, Verdict, write_verdicts
from seekloop.evaluate.judge import prompts
from seekloop.evaluate.judge.reading import Invalid, Read, read
from seekloop.evaluate.judge.spec import JudgeSpec
from seekloop.runtime.endpoint.client import Client, body_of
from seekloop.runtime.endpoint.meter import Meter, prompt_tokens
from seekloop.runtime.endpoint.queue import Kept, Queue, request_key
from seekloop.system import seeds
from seekloop.system.errors import DataError, SeekloopError
from seekloop.system.files import write_whole
from seekloop.system.progress import Task as Bar

__all__ = ["judge"]


@dataclass(frozen=True, kw_only=True)
class _Question:
    """One task in one order."""

    task: Task
    swapped: bool


@dataclass(frozen=True, kw_only=True)
class _Pending:
    """A request that has no answer on the disk yet."""

    key: str
    body: dict[str, Any]


def judge(spec: JudgeSpec, study: Study, *, ctx: RunContext) -> list[Verdict]:
    """Ask what was not answered before, and write the study's verdicts.

    Raises:
        UsageError: the key is not in the environment.
        DataError: the endpoint refuses every request, or stopped answering; what it answered before is kept.
        ArtifactError: the disk is full.
    """
    tasks = tasks_of(study.spec, store=ctx.store, everything=True)
    with Queue(study.folder / JUDGED) as queue:
        asking = _Asking(spec, study, queue=queue, ctx=ctx)
        questions = [one for task in tasks for one in _orders(task)]
        asking.count(questions)
        with ctx.progress.task(f"judge {spec.endpoint.model}", total=len(questions)) as bar:
            asyncio.run(asking.all(questions, bar))
        verdicts = [asking.verdict(task) for task in tasks]
        write_verdicts(study.folder / VERDICTS, verdicts)
        told = {"model": spec.endpoint.model, "answers": asking.meter.answers, "cost": asking.meter.cost()}
        write_whole(study.folder / ASKED, json.dumps(told, sort_keys=True).encode())
        invalid = sum(one.invalid is not None for one in verdicts)
        ctx.progress.say(f"{asking.meter.described()}: {len(verdicts) - invalid} verdicts, {invalid} invalid")
        if asking.outage is not None:
            raise asking.outage
    return verdicts


class _Asking:
    """One judge, one study."""

    def __init__(self, spec: JudgeSpec, study: Study, *, queue: Queue, ctx: RunContext) -> None:
        self.meter = Meter(spec.endpoint, spec.budget)
        self.outage: DataError | None = None
        self._spec = spec
        self._dimensions = study.spec.dimensions
        self._names = [one.name for one in study.spec.dimensions]
        self._seed = study.spec.seed
        self._queue = queue
        self._ctx = ctx
        self._under_way = 0
        self._unanswered: set[str] = set()
        self._in_a_row = 0
        self._stopped = False

    def count(self, questions: Sequence[_Question]) -> None:
        """Tell the meter of every answer on the disk: it was paid for."""
        for question in questions:
            for kept in self._settle(question)[0]:
                self.meter.add(kept)

    async def all(self, questions: Sequence[_Question], bar: Bar) -> None:
        """Ask until all is settled, the budget is spent or the endpoint is gone."""
        waiting = iter(questions)
        async with Client(self._spec.endpoint, clock=self._ctx.clock) as client:
            workers = (self._work(waiting, client=client, bar=bar) for _ in range(self._spec.endpoint.concurrency))
            ended = await asyncio.gather(*workers, return_exceptions=True)
        for one in ended:
            if isinstance(one, BaseException):
                raise one

    def verdict(self, task: Task) -> Verdict:
        """What the answers on the disk make of a task."""
        settled = [self._settle(question) for question in _orders(task)]
        reads = [self._outcome(step) for _, step in settled]
        repaired = sum(len(kept) - 1 for kept, _ in settled if kept)
        repaired += sum(isinstance(one, Read) and one.repaired for one in reads)
        told: dict[str, Any] = {"task": task.id, "row": task.row, "kind": task.kind, "reports": task.reports}
        for one in reads:
            if isinstance(one, str):
                return Verdict(**told, invalid=one, repaired=repaired)
        if task.kind == "rate":
            return Verdict(**told, values=_read(reads[0]).values, repaired=repaired)
        orders = tuple(_winner(_read(one), swapped=bool(place)) for place, one in enumerate(reads))
        winner: Winner = orders[0] if orders[0] == orders[1] else "tie"
        return Verdict(**told, winner=winner, orders=orders, repaired=repaired)

    async def _work(self, waiting: Iterator[_Question], *, client: Client, bar: Bar) -> None:
        for question in waiting:
            while isinstance(step := self._settle(question)[1], _Pending):
                if self._stopped or not await self._ask(step, question, client=client):
                    break
            bar.advance()

    async def _ask(self, step: _Pending, question: _Question, *, client: Client) -> bool:
        """Send one request; whether its answer came."""
        tokens = prompt_tokens(step.body["messages"])
        most = self._spec.budget.requests
        if (most is not None and self.meter.answers + self._under_way >= most) or not self.meter.reserve(tokens):
            return False
        self._under_way += 1
        try:
            kept = await client.ask(step.body)
        except SeekloopError as error:
            self._failed(step, error)
            return False
        finally:
            self._under_way -= 1
            self.meter.release(tokens)
        self._in_a_row = 0
        self._queue.put(step.key, kept, item=question.task.id)
        self.meter.add(kept)
        return True

    def _failed(self, step: _Pending, error: SeekloopError) -> None:
        """An endpoint that is out of reach leaves a question open; several in a row end the asking, as does a no."""
        if not isinstance(error, DataError) or error.code != "endpoint.unreachable":
            self._stopped = True
            raise error
        self._unanswered.add(step.key)
        self._in_a_row += 1
        if self._in_a_row >= self._spec.patience:
            self._stopped, self.outage = True, error

    def _settle(self, question: _Question) -> tuple[list[Kept], Read | Invalid | _Pending]:
        """The answers on the disk, from the first attempt on, and where they lead."""
        task, spec = question.task, self._spec
        messages = prompts.ask(task, spec, dimensions=self._dimensions, swapped=question.swapped)
        found: list[Kept] = []
        result: Read | Invalid = Invalid(reason="no_json", problem="")
        for attempt in range(spec.attempts):
            body = body_of(spec.endpoint, messages, seed=seeds.derive(self._seed, "judge", task.id, attempt))
            key = request_key(task.id, body)
            kept = self._queue.get(key)
            if kept is None:
                return found, _Pending(key=key, body=body)
            found.append(kept)
            result = read(kept, self._names if task.kind == "rate" else ())
            if isinstance(result, Read) or result.reason == "refused":
                break
            messages = [*messages, *prompts.mend(task, spec, answer=kept.text, problem=result.problem)]
        return found, result

    def _outcome(self, step: Read | Invalid | _Pending) -> Read | str:
        """A verdict, or the reason why there is none."""
        if isinstance(step, _Pending):
            return "unreachable" if step.key in self._unanswered else "not_asked"
        return step.reason if isinstance(step, Invalid) else step


def _orders(task: Task) -> tuple[_Question, ...]:
    """A pair is asked in both orders."""
    return tuple(
        _Question(task=task, swapped=swapped) for swapped in ((False, True) if task.kind == "prefer" else (False,))
    )


def _winner(verdict: Read, *, swapped: bool) -> Winner:
    return sides(swapped)[verdict.choice or "tie"]


def _read(value: Read | str) -> Read:
    assert isinstance(value, Read)
    return value
