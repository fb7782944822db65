"""Seeds: rows that may be trained, as a teacher is shown them, with personal data masked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from seekloop.artifact.rows import Row
from seekloop.data.synthesise.spec import Language
from seekloop.data.wording import asked
from seekloop.text import pii
from seekloop.text.labelled import AnswerForm, split
from seekloop.text.segment import language_of

__all__ = ["Seed", "chosen", "read_seeds"]


@dataclass(frozen=True, kw_only=True)
class Seed:
    """A row that a request is about."""

    id: str
    text: str
    """What the user asked."""
    reply: str
    """The last answer, its label taken off; empty where there is none."""
    label: str | None
    group: str | None
    language: Language
    subject: str | None = None
    """Whose it is: what is made of it is theirs too, and is erased with them."""


def read_seeds(rows: Iterable[Row], *, form: AnswerForm, language: Language | None, mask: bool) -> Iterator[Seed]:
    """The rows that may be seeds: with a text, not dropped, not fixed as test or validation, not synthetic themselves.

    Args:
        rows: of a corpus, or of a dataset's train split.
        form: what their answers hold.
        language: of every seed; None: told by the text, Chinese or English.
        mask: replace personal data by its kind, since a teacher is somebody else's machine.
    """
    for row in rows:
        held_out = row.meta.get("split") in ("test", "validation")
        if row.dropped is not None or held_out or "synthetic" in row.meta or not asked(row).strip():
            continue
        text = asked(row)
        last = next((m.content for m in reversed(row.messages) if m.role == "assistant"), "")
        label, reply = split(last, form) if form != "text" else (None, last)
        if form == "text" or label != row.label:
            reply = last if last.strip() != row.label else ""
        if mask:
            text, reply = pii.mask(text)[0], pii.mask(reply)[0]
        group = row.meta.get("group")
        yield Seed(
            id=row.id,
            text=text,
            reply=reply.strip(),
            label=row.label,
            group=None if group is None else str(group),
            language=language or ("zh" if language_of(text) == "zh" else "en"),
            subject=row.subject,
        )


def chosen(seeds: Iterable[Seed], *, seed: int, count: int | None) -> list[Seed]:
    """The seeds in the order of their hashes, the first `count` of them."""

    def order(one: Seed) -> bytes:
        return hashlib.sha256(f"{seed}\x1f{one.id}".encode()).digest()

    return sorted(seeds, key=order)[:count]
