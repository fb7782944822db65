"""Clean a row: one written form for every text, and personal data acted on, counted by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from seekloop.artifact.context import Job
from seekloop.artifact.rows import Message, Row
from seekloop.data.redaction import keyless, pseudonym
from seekloop.data.spec import CleanSpec
from seekloop.system import digests
from seekloop.text.levels import Normaliser, NormaliseSpec
from seekloop.text.pii import Redactor
from seekloop.text.times import parse_time

__all__ = ["NORMALISED", "clean", "write_normalised"]

NORMALISED = "normalised.json"
"""File of a dataset with the number of changes that the higher levels of normalising made, by kind."""


def clean(
    row: Row, spec: CleanSpec, *, redactor: Redactor | None = None, changed: Counter[str] | None = None
) -> tuple[Row, Counter[str]]:
    """The cleaned row and the personal data that was acted on, by kind (`phone`), and action where it is not masking.

    Every text of the row is cleaned: turns, reasoning, arguments of tool calls, label, and what a dropped row keeps of
    its source line. The row's id stays. A subject that is itself personal data becomes a pseudonym under the project's
    key, so that the person's rows can still be found by whoever holds it, and nobody else can guess who it is. The
    higher levels of normalising are for what people read, turns and reasoning; relative times are anchored to the row's
    `meta["time"]`.

    Args:
        row: as it was read.
        spec: every dial.
        redactor: acts on personal data (`data.redaction.redactor_of`); None: one without a key.
        changed: what normalising changed is added here, by kind.
    """
    redactor = redactor or keyless(spec.pii)
    counts: Counter[str] = Counter()
    drops: list[bool] = []
    normaliser, time = _normaliser(spec.normalise), row.meta.get("time")
    at = parse_time(time) if isinstance(time, str) else None

    def prose(value: str) -> str:
        value, kinds = normaliser(value, at=at)
        if changed is not None:
            changed.update(kinds)
        return text(value)

    def text(value: str) -> str:
        done = redactor.redact(normaliser.plain(value))
        counts.update(done.counts)
        drops.append(done.drop)
        return done.text

    update: dict[str, Any] = {
        "messages": tuple(_message(message, prose=prose, text=text) for message in row.messages),
        "rejected": tuple(_message(message, prose=prose, text=text) for message in row.rejected),
        "label": None if row.label is None else normaliser.plain(row.label),
        "labels": tuple(map(normaliser.plain, row.labels)),
        "subject": None if row.subject is None else pseudonym(row.subject, redactor, always=spec.pii.subjects == "all"),
        "meta": _mapped(row.meta, text),
    }
    if row.dropped is None and any(drops):
        update["dropped"] = "personal_data"
    return row.model_copy(update=update), counts


def write_normalised(job: Job, changed: Counter[str]) -> None:
    """Write what normalising changed, where it changed anything."""
    if changed:
        job.path(NORMALISED).write_bytes(digests.canonical(dict(sorted(changed.items()))))


@lru_cache(maxsize=8)
def _normaliser(spec: NormaliseSpec) -> Normaliser:
    return Normaliser(spec)


def _message(message: Message, *, prose: Callable[[str], str], text: Callable[[str], str]) -> Message:
    return message.model_copy(
        update={
            "content": prose(message.content),
            "reasoning": None if message.reasoning is None else prose(message.reasoning),
            "tool_calls": tuple(_mapped(call, text) for call in message.tool_calls),
        }
    )


def _mapped(value: Any, text: Callable[[str], str]) -> Any:
    """A JSON value with `text` applied to every string in it, keys left as they are."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {key: _mapped(inner, text) for key, inner in value.items()}
    return [_mapped(inner, text) for inner in value] if isinstance(value, list | tuple) else value
