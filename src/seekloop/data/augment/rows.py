"""Variants of rows: an operator on the last user turn, through the gate and the label check, seeded by the row's id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from types import MappingProxyType
from typing import NamedTuple

from seekloop.artifact.rows import Message, Row, row_id
from seekloop.data.augment import operators
from seekloop.data.augment.gate import is_near
from seekloop.data.augment.resources import Kit
from seekloop.data.augment.spec import OperatorName
from seekloop.data.intents import LabelHead
from seekloop.data.made import made_of
from seekloop.system import seeds

__all__ = ["Tried", "asked_last", "attempt", "augmented", "named", "replaced", "variants"]

_tries = 4
"""Seeds tried where a variant does not pass the gate."""
Text = Callable[[str, Random, Kit], str | None]


class Tried(NamedTuple):
    """What became of one attempt."""

    operator: OperatorName
    row: Row | None
    reason: str
    """`made`, `no_change` (the operator has no hold), `too_far` (the gate) or `label_changed`."""


def augmented(row: Row, kit: Kit, *, epoch: int, seed: int, head: LabelHead | None = None) -> Row:
    """The row as one epoch sees it: a variant by one operator, or the row itself where none passes.

    A pure function: the same row, kit, epoch and seed give the same. Epoch 0 sees every row as it is.
    """
    names = [name for name in kit.spec.operators if name != "back_translation"]
    if epoch == 0 or not names:
        return row
    name = names[seeds.derive(seed, row.id, epoch) % len(names)]
    tried = attempt(row, kit, operator=name, seed=seeds.derive(seed, row.id, epoch, name), head=head)
    return tried.row or row


def variants(row: Row, kit: Kit, *, seed: int, head: LabelHead | None = None) -> Iterator[Tried]:
    """Attempts at variants of a row, operators in turn, until the caller has enough or `per_row` rounds are over.

    `back_translation` is not among them: it works on many rows at once.
    """
    names = [name for name in kit.spec.operators if name != "back_translation"]
    first = seeds.derive(seed, row.id, "turn")
    for number in range(kit.spec.per_row * len(names)):
        name = names[(first + number) % len(names)]
        yield attempt(row, kit, operator=name, seed=seeds.derive(seed, row.id, name, number), head=head)


def attempt(row: Row, kit: Kit, *, operator: OperatorName, seed: int, head: LabelHead | None) -> Tried:
    """One operator on one row, with a few seeds until a variant passes.

    The variant has an id of its own; `meta` says `augmented_from`, `operator` and `seed`.
    """
    reason = "no_change"
    text = asked_last(row)
    for number in range(_tries):
        chance = seeds.derive(seed, number)
        changed = _changed(row, kit, operator=operator, random=Random(chance))
        if changed is None:
            continue
        said = asked_last(changed)
        if not is_near(text, said, operator=operator, window=kit.spec.window):
            reason = "too_far"
        elif head is not None and row.label is not None and head.refuses(said, row.label, made_of=row.id):
            reason = "label_changed"
        else:
            return Tried(operator, named(changed, row, operator=operator, seed=chance), "made")
    return Tried(operator, None, reason)


def named(changed: Row, row: Row, *, operator: str, seed: int) -> Row:
    """The changed row under an id of its own, with where it comes from."""
    meta = made_of(row, augmented_from=row.id, operator=operator, seed=seed)
    return changed.model_copy(update={"id": row_id([row.id, operator, seed]), "meta": meta})


def replaced(row: Row, text: str) -> Row:
    """The row with another last user turn."""
    place = max((i for i, message in enumerate(row.messages) if message.role == "user"), default=-1)
    if place < 0:
        return row
    turn = row.messages[place].model_copy(update={"content": text})
    return row.model_copy(update={"messages": (*row.messages[:place], turn, *row.messages[place + 1 :])})


def asked_last(row: Row) -> str:
    """The last user turn: what operators change and the label check reads."""
    return next((message.content for message in reversed(row.messages) if message.role == "user"), "")


def _changed(row: Row, kit: Kit, *, operator: OperatorName, random: Random) -> Row | None:
    if operator == "empty_field":
        return _emptied(row, random)
    text = _texts[operator](asked_last(row), random, kit)
    return None if text is None else replaced(row, text)


def _emptied(row: Row, random: Random) -> Row | None:
    """The row without one thing that it can do without: its system message, its tools, or the turns before the last."""
    last = max((i for i, message in enumerate(row.messages) if message.role == "user"), default=0)
    spoken: tuple[Message, ...] = tuple(m for m in row.messages[:last] if m.role != "system")
    ways: list[dict[str, object]] = []
    if any(message.role == "system" for message in row.messages):
        ways.append({"messages": tuple(m for m in row.messages if m.role != "system")})
    if row.tools and not any(message.tool_calls for message in row.messages):
        ways.append({"tools": ()})
    if spoken:
        kept = tuple(m for m in row.messages[:last] if m.role == "system")
        ways.append({"messages": (*kept, *row.messages[last:])})
    return row.model_copy(update=random.choice(ways)) if ways else None


_texts: Mapping[OperatorName, Text] = MappingProxyType(
    {
        "synonym": lambda text, random, kit: operators.synonym(text, random, lexicon=kit.lexicon, rate=kit.spec.rate),
        "shuffle": lambda text, random, _: operators.shuffle(text, random),
        "context": lambda text, random, kit: operators.context(text, random, distractors=kit.distractors),
        "punctuation": lambda text, random, _: operators.punctuation(text, random),
        "typos": lambda text, random, kit: operators.typos(
            text, random, rate=kit.spec.typo_rate, homophones=kit.homophones
        ),
        "mixed": lambda text, random, kit: operators.mixed(text, random, pairs=kit.pairs),
        "long": lambda text, random, kit: operators.long(
            text, random, chars=kit.spec.long_chars, distractors=kit.distractors
        ),
    }
)
