"""Whose texts the ledger holds: from a subject to its keys, and from keys to the answers under them.

Keys say it, not texts: an answer's event names the key of its text, the vault knows a subject's keys by pseudonyms, and
an erasure's event names the keys that it destroyed. So what was a person's is known after it was erased, too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from sqlalchemy import func, select

from seekloop.artifact import schema
from seekloop.artifact.database import blocks
from seekloop.artifact.journal import Journal
from seekloop.artifact.payloads import Payloads, Stored, subject_name
from seekloop.artifact.projection import Kind
from seekloop.artifact.records import Event

__all__ = ["Held", "Holders"]

_answers = select(schema.event).where(schema.event.c.kind == Kind.ANSWERED)
_about = (Kind.FEEDBACK, Kind.SHADOWED, "review.decided")


@dataclass(frozen=True, kw_only=True)
class Held:
    """What production holds of somebody."""

    answers: dict[str, str] = field(default_factory=dict)
    """Id of an answer -> the release that wrote it."""
    texts: int = 0
    """Texts of these answers, and of what was said of them, that are still there."""
    about: dict[str, dict[str, int]] = field(default_factory=dict)
    """Feedback, shadows and reviews of these answers: kind of event -> number of an event by its id."""
    again: int = 0
    """Answers of others that were one of these answers, given again from the cache."""
    served: Counter[str] = field(default_factory=Counter)
    """Release -> all answers that it wrote, whoever asked."""


class Holders:
    """Reads whose texts there are."""

    def __init__(self, journal: Journal, payloads: Payloads) -> None:
        self._journal = journal
        self._payloads = payloads

    def scope(self, subject: str) -> str:
        """The pseudonym of a subject (`payloads.subject_name`), or of any other text, under the ledger's key."""
        return self._payloads.scope(subject)

    def names(self) -> set[str]:
        """The subjects of all texts that can be read here: one text a key is decrypted.

        Raises:
            LedgerError: a text was changed, or its key cannot be had.
        """
        known: dict[str, str] = {}
        for block in blocks(self._journal.events(_answers)):
            fresh = [event for event in block if _key_of(event) not in known]
            known |= {_key_of(event): subject for event, subject in self._subjects(fresh)}
        return set(known.values())

    def keys(self, scopes: Collection[str]) -> set[str]:
        """Ids of the keys of subjects by their pseudonyms, destroyed ones too.

        Raises:
            LedgerError: the vault cannot be had.
        """
        vault = self._payloads.vault
        found = {key for scope in scopes for key in (vault.within(scope) if vault is not None else ())}
        for scope in scopes:
            query = select(schema.event).where(
                schema.event.c.kind == Kind.SUBJECT_ERASED, schema.event.c.subject == scope
            )
            for event in self._journal.events(query):
                found.update(event.facts["keys"])
        return found

    def held(self, scopes: Collection[str], *, answers: Collection[str] = ()) -> Held:
        """What production holds of subjects, by their pseudonyms, and of single answers.

        Raises:
            LedgerError: an event was changed, or the vault cannot be had.
        """
        keys, mine = self.keys(scopes), {}
        digests: list[str] = []
        served: Counter[str] = Counter()
        again: defaultdict[str, int] = defaultdict(int)
        old: dict[str, bool] = {}
        for event in self._journal.events(_answers):
            facts = event.facts
            served[facts["release"]] += 1
            key = facts.get("key")
            # Texts of before there were keys are the caller's.
            theirs = key in keys if key is not None else self._is_callers(event.actor, scopes, known=old)
            if theirs or event.subject in answers:
                mine[event.subject] = facts["release"]
                digests.append(facts["payload"])
            elif (cached := facts["decoding"].get("cached")) is not None:
                again[cached["answer"]] += 1
        about = self._about(mine, digests=digests)
        return Held(
            answers=mine,
            texts=self._present(digests),
            about=about,
            again=sum(count for answer, count in again.items() if answer in mine),
            served=served,
        )

    def _present(self, digests: Collection[str]) -> int:
        digest = schema.payload.c.digest
        with self._journal.database.read() as connection:
            counts = (
                connection.execute(select(func.count()).where(digest.in_(block))).scalar_one()
                for block in blocks(digests)
            )
            return sum(counts)

    def _about(self, mine: Collection[str], *, digests: list[str]) -> dict[str, dict[str, int]]:
        """What was said of answers; the digests of its texts are added to `digests`."""
        found: dict[str, dict[str, int]] = {}
        for event in self._journal.events(select(schema.event).where(schema.event.c.kind.in_(_about))) if mine else ():
            answer = event.facts["answer"] if event.kind == Kind.FEEDBACK else event.subject
            if answer in mine:
                name = event.facts["id"] if event.kind == Kind.SHADOWED else event.subject
                found.setdefault(event.kind, {})[name] = event.seq
                digests += [event.facts["payload"]] if "payload" in event.facts else []
        return found

    def _is_callers(self, caller: str, scopes: Collection[str], *, known: dict[str, bool]) -> bool:
        if caller not in known:
            widths = (subject_name("local"), subject_name("local", caller))
            known[caller] = any(self.scope(one) in scopes for one in widths)
        return known[caller]

    def _subjects(self, events: Collection[Event]) -> Iterator[tuple[Event, str]]:
        """The subject of each event's text, of those that can be read."""
        query = select(schema.payload).where(schema.payload.c.digest.in_([e.facts["payload"] for e in events]))
        with self._journal.database.read() as connection:
            rows = {row.digest: Stored(*row) for row in connection.execute(query)}
        first: dict[str, Event] = {}
        for event in events:
            if event.facts["payload"] in rows:
                first.setdefault(_key_of(event), event)
        texts = self._payloads.open([(e.subject, rows[e.facts["payload"]]) for e in first.values()])
        for event in first.values():
            text = texts.get(event.facts["payload"])
            if text is not None:
                yield event, text.get("subject") or subject_name("local", event.actor)


def _key_of(event: Event) -> str:
    """The key of an answer's text; old texts are told apart by the caller."""
    return event.facts.get("key") or f"of {event.actor}"
