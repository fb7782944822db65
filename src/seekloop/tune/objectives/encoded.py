"""Rows as the views that an objective trains, with a ledger of those that were too long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from seekloop.artifact.rows import Message, Row
from seekloop.model.codec import Codec, View
from seekloop.runtime.train.classifiers import Classes
from seekloop.runtime.train.objectives.objective import Objective, Score
from seekloop.tune.windows import cut_left, slide, windows

__all__ = ["Encoded", "Encoder", "Outcome", "TooLong", "longest", "on_side", "split_answer"]

TooLong = Literal["refuse", "drop", "left", "window", "window_answers"]
Outcome = Literal["whole", "cut", "parted", "out"]
"""As it is; without the beginning of its context; in several parts; left out."""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """What goes into the loop."""

    train: list[list[View]]
    """The views of each train row."""
    validation: list[View]
    objective: Callable[[Score], Objective]
    """The objective, once the model as it is before training can score views."""
    classes: Classes | None = None
    """Of a classifier."""


@dataclass(kw_only=True)
class Encoder:
    """Encodes rows up to a length, and keeps count of those that are longer."""

    codec: Codec
    limit: int
    """Tokens that a view may have."""
    too_long: TooLong
    lengths: list[int] = field(default_factory=list)
    """Tokens of the longest view of each train row, before anything was cut."""
    outcomes: dict[Outcome, list[str]] = field(default_factory=dict)
    """Ids of the train rows by what became of them; those that fit are not listed."""
    lost_turns: int = 0
    """Answers that were to be trained and went with the beginning of their conversations."""

    def conversation(self, row: Row, *, counted: bool) -> list[View]:
        """The views of a conversation; none: it was left out.

        Args:
            row: with a trained turn.
            counted: whether it is a train row, which the ledger is about.

        Raises:
            DataError: the codec cannot encode it.
        """
        views = self.codec.views(row)
        if self._fits(row, longest(views), counted=counted):
            return views
        match self.too_long:
            case "left":
                shorter = cut_left(row, size=self._size, limit=self.limit)
                views = [] if shorter is None else self.codec.views(shorter)
                if counted:
                    self.lost_turns += 0 if shorter is None else _trained(row) - _trained(shorter)
                return self._ended(row, views, as_="cut", counted=counted)
            case "window" | "window_answers":
                return self._ended(row, self._windows(row), as_="parted", counted=counted)
        return self._ended(row, [], as_="out", counted=counted)

    def answers(self, row: Row, others: Sequence[tuple[Message, ...]], *, counted: bool) -> list[list[View]]:
        """The views of one prompt with each of several answers; the same beginning is cut from all; none: left out.

        Args:
            row: its messages are the prompt.
            others: the turns of each answer.
            counted: whether it is a train row.

        Raises:
            DataError: the codec cannot encode it.
        """

        def all_of(prompt: Row) -> list[list[View]]:
            asked = tuple(_untrained(message) for message in prompt.messages)
            return [self.codec.views(prompt.model_copy(update={"messages": (*asked, *answer)})) for answer in others]

        found = all_of(row)
        if self._fits(row, max(longest(views) for views in found), counted=counted):
            return found
        if self.too_long != "left":
            self._ended(row, [], as_="out", counted=counted)
            return []

        # The cut is found on the prompt with a stand-in for an answer, which is never encoded.
        stand_in = Message(role="assistant", content="")
        asked = row.model_copy(update={"messages": (*(_untrained(message) for message in row.messages), stand_in)})
        shorter = cut_left(asked, size=lambda part: max(map(longest, all_of(_without_last(part)))), limit=self.limit)
        found = [] if shorter is None else all_of(_without_last(shorter))
        self._ended(row, [view for views in found for view in views], as_="cut", counted=counted)
        return found

    def prompt(self, row: Row, *, counted: bool) -> tuple[int, ...]:
        """The ids of a prompt; none: it was left out."""
        ids = self.codec.prompt_ids(row.messages, tools=row.tools)
        if self._fits(row, len(ids), counted=counted):
            return ids
        if self.too_long != "left":
            self._ended(row, [], as_="out", counted=counted)
            return ()
        stand_in = Message(role="assistant", content="")
        asked = row.model_copy(update={"messages": (*row.messages, stand_in)})
        shorter = cut_left(asked, size=lambda part: self._context(part.messages[:-1], row), limit=self.limit)
        ids = () if shorter is None else self.codec.prompt_ids(shorter.messages[:-1], tools=row.tools)
        self._note(row, "cut" if ids else "out", counted=counted)
        return ids

    def text(self, row: Row, *, stride: int | None, counted: bool) -> list[View]:
        """Windows of a plain text: every token is trained once, BOS aside."""
        ids = self.codec.text_ids(row.messages[0].content)
        keep = int(self.codec.bos_id is not None)
        view = View(row=row.id, turn=0, ids=ids, labels=(-100, *ids[1:]))
        found = slide(view, limit=self.limit, stride=stride, keep=keep)
        if counted:
            self.lengths.append(len(ids))
            if len(found) > 1:
                self._note(row, "parted", counted=True)
        return [view for view in found if len(view.ids) > 1]

    def _windows(self, row: Row) -> list[View]:
        parts = windows(row, size=self._size, context=lambda messages: self._context(messages, row), limit=self.limit)
        found = [view for part in parts.rows for view in self.codec.views(part)]
        if parts.whole and self.too_long != "window_answers":
            return []
        for part in parts.whole:
            for view in self.codec.views(part):
                begin = next(place for place, label in enumerate(view.labels) if label != -100)
                found += slide(view, limit=self.limit, stride=None, keep=min(begin, self.limit // 2))
        return found

    def _fits(self, row: Row, length: int, *, counted: bool) -> bool:
        if counted:
            self.lengths.append(length)
        return length <= self.limit

    def _ended(self, row: Row, views: list[View], *, as_: Outcome, counted: bool) -> list[View]:
        self._note(row, as_ if views else "out", counted=counted)
        return views

    def _note(self, row: Row, outcome: Outcome, *, counted: bool) -> None:
        if counted:
            self.outcomes.setdefault(outcome, []).append(row.id)

    def _size(self, row: Row) -> int:
        return longest(self.codec.views(row))

    def _context(self, messages: Sequence[Message], row: Row) -> int:
        return len(self.codec.prompt_ids(messages, tools=row.tools))


def longest(views: Iterable[View]) -> int:
    """Tokens of the longest one."""
    return max(len(view.ids) for view in views)


def split_answer(row: Row) -> tuple[Row, tuple[Message, ...]]:
    """The row up to its user's last message, and the turns after it."""
    last = max((place for place, message in enumerate(row.messages) if message.role == "user"), default=-1)
    return row.model_copy(update={"messages": row.messages[: last + 1]}), row.messages[last + 1 :]


def on_side(views: Iterable[View], side: int) -> list[View]:
    """The same views as those of the better (0) or the worse (1) answer."""
    return [replace(view, side=side) for view in views]


def _without_last(row: Row) -> Row:
    return row.model_copy(update={"messages": row.messages[:-1]})


def _untrained(message: Message) -> Message:
    return message.model_copy(update={"train": False}) if message.role == "assistant" else message


def _trained(row: Row) -> int:
    return sum(message.role == "assistant" and message.train is not False for message in row.messages)
