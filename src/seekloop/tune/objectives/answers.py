"""Answers and plain text: what is learned token by token."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from seekloop.artifact.rows import Row
from seekloop.model.codec import View
from seekloop.runtime.train.objectives.next_token import NextToken
from seekloop.tune.objective_spec import AnswersObjective, TextObjective
from seekloop.tune.objectives.encoded import Encoded, Encoder

__all__ = ["encode_answers", "encode_text"]


def encode_answers(
    spec: AnswersObjective, *, train: Iterable[Row], validation: Iterable[Row], encoder: Encoder
) -> Encoded:
    """Conversations, and plain texts among them."""

    def views(row: Row, counted: bool) -> list[View]:
        if row.plain:
            return encoder.text(row, stride=spec.stride, counted=counted)
        found = encoder.conversation(_last_only(row) if spec.mask_history else row, counted=counted)
        return _prompts_too(found) if spec.train_on_prompt else found

    return _encoded([views(row, True) for row in train], [views(row, False) for row in validation], text=False)


def encode_text(spec: TextObjective, *, train: Iterable[Row], validation: Iterable[Row], encoder: Encoder) -> Encoded:
    """Plain texts."""
    return _encoded(
        [encoder.text(row, stride=spec.stride, counted=True) for row in train],
        [encoder.text(row, stride=spec.stride, counted=False) for row in validation],
        text=True,
    )


def _encoded(train: list[list[View]], validation: list[list[View]], *, text: bool) -> Encoded:
    objective = NextToken(perplexity=text)
    return Encoded(
        train=[views for views in train if views],
        validation=[view for views in validation for view in views],
        objective=lambda _: objective,
    )


def _last_only(row: Row) -> Row:
    """The row with its last trained turn alone trained."""
    trained = [
        place
        for place, message in enumerate(row.messages)
        if message.role == "assistant" and message.train is not False
    ]
    messages = list(row.messages)
    for place in trained[:-1]:
        messages[place] = messages[place].model_copy(update={"train": False})
    return row.model_copy(update={"messages": tuple(messages)})


def _prompts_too(views: list[View]) -> list[View]:
    """Views with every token labelled but the first; what a view has in common with the one before it only there."""
    found: list[View] = []
    before: tuple[int, ...] = ()
    for view in views:
        pairs = zip(view.ids, before, strict=False)
        same = next(
            (place for place, (one, other) in enumerate(pairs) if one != other), min(len(view.ids), len(before))
        )
        known = max(1, same)
        labels = (*view.labels[:known], *view.ids[known:])
        found.append(replace(view, labels=labels))
        before = view.ids
    return found
