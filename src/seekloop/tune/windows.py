"""Rows that are too long: what of their context is left away, so that what is trained stays whole.

Conversations are cut between turns and encoded anew, so what is trained still stands after exactly the ids that a
server would send for the shortened conversation. Only plain text, and answers that are longer than a window, are cut
between tokens.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from seekloop.artifact.rows import Message, Row
from seekloop.model.codec import View

__all__ = ["Windows", "cut_left", "slide", "windows"]

_ignored = -100
Size = Callable[[Row], int]
"""Tokens of a row's longest view."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """What became of one conversation that is too long."""

    rows: tuple[Row, ...]
    """Parts of it that fit; turns that an earlier part trains are context in a later one."""
    whole: tuple[Row, ...] = ()
    """Parts with an answer that does not fit by itself."""


def cut_left(row: Row, *, size: Size, limit: int) -> Row | None:
    """The row without as much of its beginning as must go; the system message and the last question's answer stay.

    Whole turns go first, the oldest before the others, then the beginning of the last question.

    Returns:
        None where the answer does not fit even so.
    """
    head, parts = _blocks(_up_to_the_last_answer(row.messages))

    def without(gone: int) -> Row:
        return row.model_copy(update={"messages": (*head, *_joined(parts[gone:]))})

    gone = _first(lambda count: size(without(count)) <= limit, up_to=len(parts) - 1)
    if gone is not None:
        return without(gone)
    return _cut_question(row.model_copy(update={"messages": head}), parts[-1], size=size, limit=limit)


def windows(row: Row, *, size: Size, context: Callable[[Sequence[Message]], int], limit: int) -> Windows:
    """A long conversation in overlapping parts: every trained turn is trained in exactly one of them.

    Each part begins with the system message; up to a third of it is turns that an earlier part trained.

    Args:
        row: with a trained turn.
        size: tokens of a row's longest view.
        context: tokens of messages as a prompt.
        limit: tokens that a part may have.
    """
    head, parts = _blocks(_up_to_the_last_answer(row.messages))
    fitting: list[Row] = []
    whole: list[Row] = []
    begin = 0
    while begin < len(parts):
        if not _trains(parts[begin]):
            begin += 1
            continue
        start = _seen_from(head, parts[:begin], context=context, limit=limit // 3)
        part, end = _longest(row, head=head, parts=parts, start=start, begin=begin, size=size, limit=limit)
        if part is None:
            alone = row.model_copy(update={"messages": head})
            part, end = _cut_question(alone, parts[begin], size=size, limit=limit), begin + 1
        if part is None:
            whole.append(row.model_copy(update={"messages": (*head, *parts[begin])}))
        else:
            fitting.append(part)
        begin = end
    return Windows(rows=tuple(fitting), whole=tuple(whole))


def slide(view: View, *, limit: int, stride: int | None, keep: int) -> list[View]:
    """A view in windows: every labelled token is labelled in exactly one, after as much of what is before as fits.

    Args:
        view: of any length.
        limit: tokens of a window.
        stride: tokens that a window moves on; None: three quarters of it. The last window reaches back instead.
        keep: so many tokens at the beginning, none of them labelled, stand at the beginning of every window.
    """
    if len(view.ids) <= limit:
        return [view]
    head, ids, labels = view.ids[:keep], view.ids[keep:], view.labels[keep:]
    room = limit - keep
    step = min(stride or -(-3 * room // 4), room - (keep == 0))
    found: list[View] = []
    done = 0
    while done < len(ids):
        end = min(len(ids), done + (room if done == 0 else step))
        begin = max(0, end - room)
        new = labels[done:end]
        if any(label != _ignored for label in new):
            shown = (*[_ignored] * (keep + done - begin), *new)
            found.append(replace(view, ids=(*head, *ids[begin:end]), labels=shown))
        done = end
    return found


def _blocks(messages: Sequence[Message]) -> tuple[tuple[Message, ...], list[tuple[Message, ...]]]:
    """Leading system messages, and the rest cut before each message of the user."""
    begin = next((place for place, message in enumerate(messages) if message.role != "system"), len(messages))
    parts: list[tuple[Message, ...]] = []
    for message in messages[begin:]:
        if parts and message.role != "user":
            parts[-1] = (*parts[-1], message)
        else:
            parts.append((message,))
    return tuple(messages[:begin]), parts


def _up_to_the_last_answer(messages: Sequence[Message]) -> tuple[Message, ...]:
    last = max(place for place, message in enumerate(messages) if _is_trained(message))
    return tuple(messages[: last + 1])


def _is_trained(message: Message) -> bool:
    return message.role == "assistant" and message.train is not False


def _trains(messages: Sequence[Message]) -> bool:
    return any(_is_trained(message) for message in messages)


def _silent(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same with no turn trained."""
    return tuple(
        message.model_copy(update={"train": False}) if message.role == "assistant" else message for message in messages
    )


def _joined(parts: Sequence[Sequence[Message]]) -> tuple[Message, ...]:
    return tuple(message for part in parts for message in part)


def _first(fits: Callable[[int], bool], *, up_to: int) -> int | None:
    """The least number from 0 to `up_to` that fits, where larger ones fit too; None: not even `up_to` does."""
    found = bisect.bisect_left(range(up_to + 1), True, key=fits)
    return found if found <= up_to else None


def _seen_from(
    head: Sequence[Message],
    parts: Sequence[tuple[Message, ...]],
    *,
    context: Callable[[Sequence[Message]], int],
    limit: int,
) -> int:
    """The first of the latest parts that add no more than `limit` tokens to the system message."""
    room = limit + (context(head) if head else 0)
    fits = _first(lambda at: context((*head, *_joined(parts[at:]))) <= room, up_to=len(parts) - 1)
    return len(parts) if fits is None else fits


def _longest(
    row: Row,
    *,
    head: Sequence[Message],
    parts: Sequence[tuple[Message, ...]],
    start: int,
    begin: int,
    size: Size,
    limit: int,
) -> tuple[Row | None, int]:
    """The part that trains as many blocks from `begin` on as fit, with those from `start` on before it if they fit."""

    trained = parts[begin:]
    for seen in dict.fromkeys((tuple(parts[start:begin]), ())):
        opening = (*head, *_silent(_joined(seen)))

        def without(less: int, opening: tuple[Message, ...] = opening) -> Row:
            shown = (*opening, *_joined(trained[: len(trained) - less]))
            return row.model_copy(update={"messages": shown})

        def fits(less: int, without: Callable[[int], Row] = without) -> bool:
            return size(without(less)) <= limit

        dropped = _first(fits, up_to=len(trained) - 1)
        if dropped is not None:
            return without(dropped), len(parts) - dropped
    return None, begin + 1


def _cut_question(row: Row, block: Sequence[Message], *, size: Size, limit: int) -> Row | None:
    """`row` with a block whose question lost as much of its beginning as must go; None: it does not fit even so."""
    if block[0].role != "user":
        return None

    def without(count: int) -> Row:
        question = block[0].model_copy(update={"content": block[0].content[count:]})
        return row.model_copy(update={"messages": (*row.messages, question, *block[1:])})

    count = _first(lambda gone: size(without(gone)) <= limit, up_to=max(0, len(block[0].content) - 1))
    return None if count is None else without(count)
