"""An answer explained: the rows that made it and the words that did, as plain values for JSON and for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.rows import Message, Row
from seekloop.evaluate import trained
from seekloop.evaluate.explain.gradients import Gradients
from seekloop.evaluate.explain.rows import Responsible, Rows
from seekloop.evaluate.explain.words import Attribution, attribute
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.torch_backend import TorchBackend
from seekloop.system import digests
from seekloop.system.errors import DataError

__all__ = ["Explanation", "answer_of", "explain", "row_of"]

_tokens = 128
"""Longest answer that is generated where none is given."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why an answer came to be."""

    checkpoint: str
    """Id of the checkpoint that was looked at."""
    messages: tuple[Message, ...]
    answer: Message
    rows: tuple[Responsible, ...]
    """The training rows that did most for it, the first one most."""
    words: Attribution

    def as_json(self) -> dict[str, Any]:
        """The whole of it as JSON values."""
        words = self.words
        return {
            "checkpoint": self.checkpoint,
            "messages": [_message(one) for one in self.messages],
            "answer": self.answer.content,
            "rows": [
                {
                    "score": one.score,
                    "row": one.row,
                    "where": one.where,
                    "dataset": one.dataset,
                    "label": one.label,
                    "messages": [_message(turn) for turn in one.messages],
                }
                for one in self.rows
            ],
            "words": {
                "log_probability": round(words.log_probability, 6),
                "blank": round(words.blank, 6),
                "gap": round(words.gap, 6),
                "points": words.points,
                "pieces": [
                    {"text": piece.text, "score": round(piece.score, 6), "control": piece.control}
                    for piece in words.pieces
                ],
            },
        }


def explain(
    checkpoint: Checkpoint,
    messages: Sequence[Message],
    *,
    answer: Message | None,
    count: int,
    ctx: RunContext,
) -> Explanation:
    """Why `checkpoint` answers `messages` so.

    A compressed or merged checkpoint is explained by the one that was trained, which is said.

    Args:
        checkpoint: of any form.
        messages: the conversation before the answer.
        answer: what was said; None: what the checkpoint says, greedily.
        count: rows to name, at least one.
        ctx: store, work folder and progress.

    Raises:
        DataError: nothing was trained here, or it is a classifier.
        ModelError: the checkpoint cannot be opened.
        ArtifactError: something it was made from is not in the store, or the disk is full.
        EngineError: the prompt does not fit.
    """
    told = trained.tuned(checkpoint, store=ctx.store)
    if told is None:
        raise DataError("evaluate.explain_untrained", id=digests.short(checkpoint.id))
    if "classes.json" in told.files:
        raise DataError("evaluate.explain_classifier", id=digests.short(told.id))
    if told.id != checkpoint.id:
        ctx.progress.say(f"explained by {digests.short(told.id)}, which {digests.short(checkpoint.id)} was made of")
    gradients = Gradients(told, store=ctx.store)
    rows = Rows(gradients, told, ctx=ctx)
    rows.prepare()
    said = answer or answer_of(gradients, messages)
    return Explanation(
        checkpoint=told.id,
        messages=tuple(messages),
        answer=said,
        rows=tuple(rows.top(messages, said, count=count)),
        words=attribute(gradients.model, gradients.codec, messages=messages, answer=said),
    )


def row_of(checkpoint: Checkpoint, identity: str, *, ctx: RunContext) -> Row:
    """The row called `identity`, of any split of the datasets that the checkpoint was trained on.

    Raises:
        DataError: there is none.
        ArtifactError: a dataset is not in the store.
    """
    for dataset in trained.datasets(checkpoint, store=ctx.store):
        for row in trained.all_rows(dataset, store=ctx.store):
            if row.id == identity:
                return row
    raise DataError("evaluate.explain_no_row", row=identity, id=digests.short(checkpoint.id))


def answer_of(gradients: Gradients, messages: Sequence[Message]) -> Message:
    """What the checkpoint says, greedily.

    Raises:
        EngineError: the prompt does not fit.
    """
    codec = gradients.codec
    prompt = Prompt(ids=codec.prompt_ids(messages), stop_ids=codec.stop_ids, max_tokens=_tokens)
    with torch.no_grad(), TorchBackend(gradients.model, streams=1) as backend:
        (_, completion), *_ = backend.generate([prompt])
    parsed = codec.parse(completion.ids)
    return Message(role="assistant", content=parsed.content, reasoning=parsed.reasoning, tool_calls=parsed.tool_calls)


def _message(message: Message) -> dict[str, Any]:
    return message.model_dump(mode="json", exclude_defaults=True)
