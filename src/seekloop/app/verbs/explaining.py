"""The verb `explain`: why a checkpoint answered so."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Release
from seekloop.artifact.rows import Message
from seekloop.system import digests, settings
from seekloop.system.errors import UsageError
from seekloop.system.files import write_whole
from seekloop.system.lazy import resolve

__all__ = ["explain"]

_shown = 80


def explain(
    *, checkpoint: str | None, asked: dict[str, str | None], top: int, page_at: Path | None, folder: Path, as_json: bool
) -> None:
    """Print the training rows and the words of the prompt that made an answer.

    Raises:
        UsageError: not exactly one thing to explain is named.
    """
    with context_of(folder) as ctx:
        subject, messages, answer = _subject(checkpoint, asked, ctx=ctx)
        # Resolved here because torch comes with it.
        found: Any = resolve("seekloop.evaluate.explain.explanation:explain")(
            subject, messages, answer=answer, count=top, ctx=ctx
        )
    if page_at is not None:
        page = resolve("seekloop.evaluate.explain.page:page")
        write_whole(page_at, page(found, language=settings.language()).encode())
        print(page_at, file=sys.stderr)
    if as_json:
        print_json(found.as_json())
        return
    print(found.answer.content)
    words = sorted(found.words.pieces, key=lambda piece: -abs(piece.score))[:top]
    print_table(
        "words of the prompt",
        head=("nats", "word"),
        rows=[(f"{piece.score:+.3f}", repr(piece.text)) for piece in words if not piece.control],
    )
    print_table(
        f"training rows of {digests.short(found.checkpoint)}",
        head=("score", "where", "row"),
        rows=[(f"{one.score:+.3f}", one.where, _shortened(one.messages)) for one in found.rows],
    )


def _subject(
    checkpoint: str | None, asked: dict[str, str | None], *, ctx: RunContext
) -> tuple[Checkpoint, tuple[Message, ...], Message | None]:
    """What is explained: the checkpoint, the conversation, and the answer where one was given."""
    given = {name: value for name, value in asked.items() if value is not None}
    if len(given) != 1 or (checkpoint is None and "answer" not in given):
        raise UsageError("evaluate.explain_one")
    if "answer" in given:
        said = ctx.ledger.answer(given["answer"])
        release = ctx.store.open(said.release, Release)
        subject = ctx.store.open(checkpoint or release.checkpoint, Checkpoint)
        turns = tuple(Message.model_validate(one) for one in said.messages)
        return subject, turns, Message(role="assistant", content=said.content, reasoning=said.reasoning)
    subject = ctx.store.open(checkpoint or "", Checkpoint)
    if "ask" in given:
        return subject, (Message(role="user", content=given["ask"]),), None
    row = resolve("seekloop.evaluate.explain.explanation:row_of")(subject, given["row"], ctx=ctx)
    return subject, row.messages[:-1], None


def _shortened(messages: tuple[Message, ...]) -> str:
    text = " → ".join(" ".join(one.content.split()) for one in messages if one.role != "system")
    return text if len(text) <= _shown else f"{text[:_shown]}…"
