"""A teacher behind an OpenAI-compatible endpoint: asked once for each question, and its likeliest tokens read as ours.

Where an answer's tokens are those that our tokenizer makes of it, one by one, the likeliest tokens that the endpoint
tells become targets; an answer whose tokens differ is learned as it is, and how many do is said.
"""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Message, Row
from seekloop.compress.smaller.spec import EndpointTeacher
from seekloop.compress.smaller.teacher import asked_of, certain
from seekloop.model.codec import Codec, View
from seekloop.runtime.endpoint.client import Client, body_of
from seekloop.runtime.endpoint.queue import Kept, Queue, Told, request_key
from seekloop.runtime.train.targets import Targets
from seekloop.system import digests, seeds
from seekloop.system.errors import ModelError

__all__ = ["Endpointed"]

_least = 1e-13


@dataclass(frozen=True, kw_only=True)
class Endpointed:
    """Answers are kept in the work folder, request by request: none is paid for twice."""

    spec: EndpointTeacher
    codec: Codec
    k: int
    ctx: RunContext
    model: nn.Module | None = None
    _told: dict[str, list[Told]] = field(default_factory=dict)
    """Row -> the tokens of its answer."""

    def answers(self, rows: Sequence[Row]) -> list[Row | None]:
        """What it answers; None: not to the end, or not at all."""
        key = digests.of_json([self.spec.endpoint.url, self.spec.endpoint.model]).removeprefix("sha256:")[:16]
        with Queue(self.ctx.work / f"teacher-{key}.sqlite") as queue:
            kept = asyncio.run(self._asked(rows, queue))
        found: list[Row | None] = []
        for row, answer in zip(rows, kept, strict=True):
            if answer.rejected or answer.finish not in ("stop", ""):
                found.append(None)
                continue
            if answer.tokens is not None:
                self._told[row.id] = answer.tokens
            said = Message(role="assistant", content=answer.text)
            found.append(row.model_copy(update={"messages": (*asked_of(row).messages, said)}))
        return found

    def targets(self, views: Sequence[View], *, temperature: float = 1.0) -> dict[View, Targets]:
        """Its likeliest tokens where they are ours too; the spec sees to it that the temperature is 1."""
        found, agreed = certain(views, k=self.k), 0
        for view in views:
            read = self._read(view)
            if read is not None:
                found[view] = read
                agreed += 1
        self.ctx.progress.say(
            f"the endpoint's tokens are ours in {agreed} of {len(views)} answers; the others are learned as they are"
        )
        return found

    async def _asked(self, rows: Sequence[Row], queue: Queue) -> list[Kept]:
        turn = asyncio.Semaphore(self.spec.endpoint.concurrency)
        with self.ctx.progress.task("teacher", total=len(rows)) as task:
            async with Client(self.spec.endpoint, clock=self.ctx.clock) as client:

                async def one(row: Row) -> Kept:
                    body = self._body(row)
                    key = request_key(row.id, body)
                    kept = queue.get(key)
                    if kept is None:
                        async with turn:
                            kept = await client.ask(body)
                        queue.put(key, kept, item=row.id)
                    task.advance()
                    return kept

                return list(await asyncio.gather(*map(one, rows)))

    def _body(self, row: Row) -> dict[str, Any]:
        asked = asked_of(row)
        if asked.tools or any(message.role == "tool" or message.tool_calls for message in asked.messages):
            raise ModelError("compress.teacher_tools", row=row.id)
        messages = [{"role": message.role, "content": message.content} for message in asked.messages]
        body = body_of(
            self.spec.endpoint.model_copy(update={"json_mode": False}),
            messages,
            seed=seeds.derive(self.ctx.seed, "compress", "teacher"),
        )
        return body if not self.spec.logprobs else {**body, "logprobs": True, "top_logprobs": self.spec.logprobs}

    def _read(self, view: View) -> Targets | None:
        """None: the endpoint told no tokens, or others than ours."""
        told = self._told.get(view.row)
        ids = [label for label in view.labels[1:] if label != -100]
        if told is None:
            return None
        texts = [self.codec.decode([one]) for one in ids]
        said = [one["token"] for one in told]
        if texts[: len(said)] != said or len(ids) - len(said) not in (0, 1):
            return None
        parts = [self._likeliest(one, right=id_) for one, id_ in zip(told, ids, strict=False)]
        ends = [Targets.certain(ids[len(said) :], k=self.k)] if len(ids) > len(said) else []
        return Targets.joined([*parts, *ends])

    def _likeliest(self, told: Told, *, right: int) -> Targets:
        """Tokens that are not in our vocabulary belong to the rest."""
        known = {self._ids[text]: value for text, value in told["top"] if text in self._ids}
        if not known:
            return Targets.certain([right], k=self.k)
        top = sorted(known.items(), key=lambda item: (-item[1], item[0]))[: self.k]
        ids, log_probs = torch.zeros(1, self.k, dtype=torch.int64), torch.full((1, self.k), -math.inf)
        ids[0, : len(top)] = torch.tensor([id_ for id_, _ in top])
        log_probs[0, : len(top)] = torch.tensor([value for _, value in top])
        rest = max(_least, 1 - sum(math.exp(value) for _, value in top))
        return Targets(ids=ids, log_probs=log_probs, rest=torch.tensor([math.log(rest)]))

    @functools.cached_property
    def _ids(self) -> Mapping[str, int]:
        """Text of a token -> its id, where only one token has it."""
        found: dict[str, int] = {}
        several: set[str] = set()
        for id_ in range(self.codec.vocab_size):
            text = self.codec.decode([id_])
            if text in found:
                several.add(text)
            found[text] = id_
        return {text: id_ for text, id_ in found.items() if text not in several}
