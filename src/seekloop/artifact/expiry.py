"""Destroys texts by age: in blocks, each an event that names them, with the keys that open no text any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import delete, func, select

from seekloop.artifact import schema
from seekloop.artifact.answers import AnswerLog
from seekloop.artifact.database import blocks
from seekloop.artifact.holders import Held
from seekloop.artifact.journal import Journal, Pen, since
from seekloop.artifact.payloads import Payloads
from seekloop.artifact.projection import Kind
from seekloop.artifact.records import Event

__all__ = ["Expiry"]

_with_it = {
    Kind.ANSWERED: (Kind.ANSWERED, Kind.FEEDBACK, Kind.SHADOWED),
    Kind.FEEDBACK: (Kind.FEEDBACK,),
    Kind.SHADOWED: (Kind.SHADOWED,),
}


class Expiry:
    """Erases in bulk.

    Args:
        journal: where the events are.
        payloads: whose vault has the keys.
        answers: finishes what an erasure that died has left.
    """

    def __init__(self, journal: Journal, payloads: Payloads, answers: AnswerLog) -> None:
        self._journal = journal
        self._payloads = payloads
        self._answers = answers

    def expire(self, kind: str, *, before: str, held: Held, actor: str, reason: str) -> tuple[int, int]:
        """As `Ledger.expire`."""
        moment, until = since(before), Kind(kind)
        self._answers.settle()
        texts = keys = 0
        for block in blocks(self._old(until, before=moment, held=held)):
            gone = self._destroy(block, kind=until, facts={"until": moment, "reason": reason}, actor=actor)
            texts, keys = texts + gone[0], keys + gone[1]
        return texts, keys

    def count(self, kind: str, *, before: str, held: Held) -> int:
        """As `Ledger.expiring`."""
        digest, count = schema.payload.c.digest, 0
        for block in blocks(self._old(Kind(kind), before=since(before), held=held)):
            with self._journal.database.read() as connection:
                query = select(func.count()).where(digest.in_([event.facts["payload"] for event in block]))
                count += connection.execute(query).scalar_one()
        return count

    def _old(self, kind: Kind, *, before: str, held: Held) -> Iterator[Event]:
        """Events whose texts are to go: of an answer that is old, whatever is said of it goes, too."""
        event = schema.event
        answers: set[str] = set()
        for one in _with_it[kind]:
            query = select(event).where(event.c.kind == one)
            if one == kind:
                query = query.where(event.c.at < before)
            for found in self._journal.events(query):
                answer = found.facts["answer"] if one == Kind.FEEDBACK else found.subject
                if answer in held.answers or (one != kind and answer not in answers):
                    continue
                if one == kind == Kind.ANSWERED:
                    answers.add(answer)
                yield found

    def _destroy(self, events: Sequence[Event], *, kind: Kind, facts: dict[str, str], actor: str) -> tuple[int, int]:
        digests = [event.facts["payload"] for event in events]
        with self._journal.writing() as pen:
            rows = pen.connection.execute(
                select(schema.payload.c.digest, schema.payload.c.key).where(schema.payload.c.digest.in_(digests))
            ).all()
            if not rows:
                return 0, 0
            pen.connection.execute(delete(schema.payload).where(schema.payload.c.digest.in_(digests)))
            empty = self._empty(pen, {row.key for row in rows if row.key is not None})
            if self._payloads.vault is not None:
                self._payloads.vault.doom(empty)
            named = {"payloads": sorted(row.digest for row in rows), "keys": empty}
            pen.add(Kind.EXPIRED, kind.value, facts={**named, **facts}, actor=actor)
        if self._payloads.vault is not None:
            self._payloads.vault.destroy(empty)
        return len(rows), len(empty)

    @staticmethod
    def _empty(pen: Pen, keys: set[str]) -> list[str]:
        """Those of `keys` that no text is under any more."""
        column = schema.payload.c.key
        left: set[str] = set()
        for block in blocks(sorted(keys)):
            left.update(pen.connection.execute(select(column).where(column.in_(block)).distinct()).scalars())
        return sorted(keys - left)
