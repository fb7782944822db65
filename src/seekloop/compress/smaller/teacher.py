"""Teachers: what they answer, and what they would say at each token. All of it is kept, so a pass is done once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.rows import Message, Row
from seekloop.compress.merge import write_merged
from seekloop.compress.method import Work
from seekloop.compress.smaller.spec import DistilLoss
from seekloop.model.codec import Codec, View
from seekloop.runtime import models
from seekloop.runtime.generate.backend import Backend, Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.generate.torch_backend import TorchBackend
from seekloop.runtime.linear import quicken
from seekloop.runtime.train.targets import Targets, teacher_targets
from seekloop.runtime.weights import open_model
from seekloop.system import digests, provenance
from seekloop.system.errors import ModelError
from seekloop.system.files import disk_full_is_a_sentence, write_whole

__all__ = ["Checkpointed", "Teacher", "asked_of", "certain", "plain_model"]

_chunk = 32
"""Questions that are answered, and written, together: the same batches after a crash, so the same answers."""


class Teacher(Protocol):
    """Who is learned from."""

    @property
    def model(self) -> nn.Module | None:
        """In this process; None: elsewhere, or with other tokens."""

    def answers(self, rows: Sequence[Row]) -> list[Row | None]:
        """Each row with the teacher's answer in place of its last; None: it did not come to an end."""

    def targets(self, views: Sequence[View], *, temperature: float = 1.0) -> dict[View, Targets]:
        """What it would say at each labelled token, its logits divided by `temperature`."""


def certain(views: Sequence[View], *, k: int) -> dict[View, Targets]:
    """Of a teacher who gives answers and says no more about them."""
    return {view: Targets.certain([label for label in view.labels[1:] if label != -100], k=k) for view in views}


def plain_model(checkpoint: Checkpoint, work: Work) -> nn.Module:
    """The checkpoint as a transformers model without layers of ours; an adapter is folded in.

    Raises:
        ModelError: it is in a compressed form.
    """
    store = work.ctx.store
    if checkpoint.form not in ("full", "adapter"):
        raise ModelError("compress.compressed", id=digests.short(checkpoint.id), form=checkpoint.form)
    if checkpoint.form == "full":
        return models.load(checkpoint, store=store)
    folder = work.folder / "merged"
    folder.mkdir()
    try:
        write_merged(checkpoint, folder, store=store, progress=work.ctx.progress)
        model = open_model(folder)
    finally:
        shutil.rmtree(folder)
    quicken(model)
    return model.requires_grad_(False)


@dataclass(frozen=True, kw_only=True)
class Checkpointed:
    """A checkpoint of ours."""

    checkpoint: Checkpoint
    codec: Codec
    model: nn.Module | None
    loss: DistilLoss
    max_tokens: int
    budget: int
    ctx: RunContext

    def answers(self, rows: Sequence[Row]) -> list[Row | None]:
        """Greedy, by the engine that fits its form; each chunk is written whole."""
        found: list[Row | None] = []
        with self._engine() as backend, self.ctx.progress.task("answers", total=len(rows)) as task:
            for begin in range(0, len(rows), _chunk):
                part = rows[begin : begin + _chunk]
                found += self._chunk(part, backend)
                task.advance(len(part))
        return found

    def targets(self, views: Sequence[View], *, temperature: float = 1.0) -> dict[View, Targets]:
        """Its likeliest tokens, from disk where an earlier run left them."""
        if self.model is None:
            return certain(views, k=self.loss.top_k)
        told = self.model.config.to_dict()
        return teacher_targets(
            self.model,
            views,
            folder=self._folder("targets", self.loss.top_k, temperature),
            k=min(self.loss.top_k, int(told["vocab_size"]) - 1),
            temperature=temperature,
            budget=self.budget,
            pad=self.codec.pad_id,
            ctx=self.ctx,
        )

    def _engine(self) -> Backend:
        if self.model is not None:
            return TorchBackend(self.model)
        return open_backend(self.checkpoint, store=self.ctx.store)

    def _chunk(self, rows: Sequence[Row], backend: Backend) -> list[Row | None]:
        asked = [asked_of(row) for row in rows]
        prompts = [
            Prompt(
                ids=self.codec.prompt_ids(row.messages, tools=row.tools),
                stop_ids=self.codec.stop_ids,
                max_tokens=self.max_tokens,
            )
            for row in asked
        ]
        name = digests.of_json([prompt.ids for prompt in prompts]).removeprefix("sha256:")[:32]
        file = self._folder("answers", self.max_tokens) / f"{name}.json"
        if not file.is_file():
            done = dict(backend.generate(prompts))
            said = [
                list(done[place].ids) if done[place].finish_reason == "stop" else None for place in range(len(rows))
            ]
            with disk_full_is_a_sentence(file):
                write_whole(file, json.dumps(said).encode())
        return [
            None if ids is None else _with(row, ids, codec=self.codec)
            for row, ids in zip(asked, json.loads(file.read_bytes()), strict=True)
        ]

    def _folder(self, *parts: object) -> Path:
        """For what this teacher says, whoever learns it."""
        key = digests.of_json([self.checkpoint.id, provenance.code_version(), *map(str, parts)])
        folder = self.ctx.work / f"teacher-{key.removeprefix('sha256:')[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def asked_of(row: Row) -> Row:
    """The row without its last answer."""
    messages = row.messages
    while messages and messages[-1].role == "assistant":
        messages = messages[:-1]
    return row.model_copy(update={"messages": messages})


def _with(row: Row, ids: Sequence[int], *, codec: Codec) -> Row:
    said = codec.parse(ids)
    earlier = [
        message.model_copy(update={"train": False}) if message.role == "assistant" else message
        for message in row.messages
    ]
    answer = Message(
        role="assistant", content=said.content, reasoning=said.reasoning, tool_calls=tuple(said.tool_calls)
    )
    return row.model_copy(update={"messages": (*earlier, answer)})
