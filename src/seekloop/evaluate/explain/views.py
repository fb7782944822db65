"""Conversations as the sequences whose gradients are compared."""

from __future__ import annotations

from collections.abc import Sequence

from seekloop.artifact.rows import Message, Row
from seekloop.model.codec import Codec, View

__all__ = ["answered", "of_row"]


def of_row(row: Row, codec: Codec, *, longest: int) -> list[View]:
    """What training saw of a row; of a preference its better answer. Only the last `longest` tokens of each view.

    Raises:
        DataError: the row trains nothing, or cannot be encoded; `where` is its place.
        ModelError: the family has no tool calls, and the row has.
    """
    if row.plain:
        ids = codec.text_ids(row.messages[0].content)
        views = [View(row=row.id, turn=0, ids=ids, labels=ids)]
    else:
        views = codec.views(row)
    return [_tail(view, longest) for view in views]


def answered(messages: Sequence[Message], answer: Message, *, codec: Codec) -> View:
    """An answer after its conversation, all of it labelled."""
    prompt, said = codec.prompt_ids(messages), codec.answer_ids(answer)
    return View(row="asked", turn=len(messages), ids=prompt + said, labels=(-100,) * len(prompt) + said)


def _tail(view: View, longest: int) -> View:
    return View(row=view.row, turn=view.turn, ids=view.ids[-longest:], labels=view.labels[-longest:])
