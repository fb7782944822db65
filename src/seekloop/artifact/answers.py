"""Answers and feedback: their figures stand in events, their texts in encrypted payloads that can be erased."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, select, update
from sqlalchemy.exc import IntegrityError

from seekloop.artifact import schema
from seekloop.artifact.database import blocks, select_among
from seekloop.artifact.journal import Journal, Pen, since
from seekloop.artifact.opinions import content, facts_of, opinion, repeats, text_of
from seekloop.artifact.payloads import Box, Payloads, Stored, subject_name
from seekloop.artifact.projection import Kind
from seekloop.artifact.records import Answer, Event, Feedback
from seekloop.system.errors import LedgerError

__all__ = ["AnswerLog"]

_answer_figures = (
    "release",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "first_token_ms",
    "total_ms",
    "decoding",
    "at",
)
_answers = select(schema.event).join(schema.answer, schema.answer.c.seq == schema.event.c.seq)
_shadows = select(schema.event).where(schema.event.c.kind == Kind.SHADOWED)
_erased = "SELECT digest FROM erasure WHERE digest IN"
_page = 2_000
_feedback = select(schema.event).join(schema.feedback, schema.feedback.c.seq == schema.event.c.seq)
_spoken_of = schema.feedback.c.answer


class AnswerLog:
    """Reads and appends the events of answers, feedback and erasures."""

    def __init__(self, journal: Journal, payloads: Payloads) -> None:
        self._journal = journal
        self._payloads = payloads

    def record_answers(self, answers: Sequence[Answer]) -> None:
        """Record a batch in one transaction; an answer whose id is recorded already is not recorded again."""
        fresh = {answer.id: answer for answer in answers}
        # Before the transaction: nobody waits for ciphers, and a new subject's key is durable before its first text.
        boxes = {answer.id: _box(answer) for answer in fresh.values()}
        stored = dict(zip(boxes, self._payloads.seal(list(boxes.values())), strict=True))
        try:
            self._record(fresh, boxes=boxes, stored=stored)
        except (IntegrityError, sqlite3.IntegrityError):
            # Looked for only then: an id that comes again is rare, and whoever is served would wait for each look.
            self._record(fresh, boxes=boxes, stored=stored, again=True)

    def _record(
        self, fresh: dict[str, Answer], *, boxes: dict[str, Box], stored: dict[str, Stored], again: bool = False
    ) -> None:
        with self._journal.writing() as pen:
            for block in blocks(list(fresh)) if again else ():
                known = pen.connection.execute(select(schema.answer.c.id).where(schema.answer.c.id.in_(block)))
                for identity in known.scalars():
                    del fresh[identity], stored[identity]
            self._seal_again(pen.connection, boxes=boxes, stored=stored)
            for answer in fresh.values():
                facts = _figures(answer) | _named(stored[answer.id])
                pen.put(stored[answer.id])
                pen.add(Kind.ANSWERED, answer.id, facts=facts, actor=answer.caller)

    def _seal_again(self, connection: Connection, *, boxes: dict[str, Box], stored: dict[str, Stored]) -> None:
        """Put texts whose key another process destroyed in the meantime under a new one."""
        keys = {one.key for one in stored.values() if one.key is not None}
        dead: set[str] = set()
        for block in blocks(keys):
            dead.update(key for (key,) in select_among(connection, _erased, among=block))
        if dead and self._payloads.vault is not None:
            self._payloads.vault.forget(list(dead))
            again = [identity for identity, one in stored.items() if one.key in dead]
            stored |= zip(again, self._payloads.seal([boxes[identity] for identity in again]), strict=True)

    def answer(self, identity: str) -> Answer:
        """One answer.

        Raises:
            LedgerError: there is none with this id, or its text was erased.
        """
        event = self.recorded(identity)
        if event is None:
            raise LedgerError("artifact.no_answer", id=identity)
        text = self._texts([event]).get(event.facts["payload"])
        if text is None:
            raise LedgerError("artifact.erased", id=identity)
        return _answer(event, text)

    def recorded(self, identity: str) -> Event | None:
        """The event that recorded an answer."""
        return self._journal.newest(_answers.where(schema.answer.c.id == identity))

    def answers(self, *, release: str | None, after: str | None, limit: int | None) -> list[Answer]:
        """Answers in the order they were recorded, without those whose text was erased."""
        query = _answers if release is None else _answers.where(schema.answer.c.release == release)
        if after is not None:
            query = self._later(query, after, table=schema.answer)
        found: list[Answer] = []
        for event, text in self._with_texts(query, page=limit):
            if limit is not None and len(found) >= limit:
                break
            if text is not None:
                found.append(_answer(event, text))
        return found

    def record_feedback(self, batch: Sequence[Feedback]) -> list[bool | LedgerError]:
        """Record a batch in one transaction; for each, True, False where it was recorded before, or why it was not."""
        told: dict[int, bool | LedgerError] = {}
        again: list[tuple[int, Event]] = []
        with self._journal.writing() as pen:
            fresh: dict[str, Feedback] = {}
            for place, one in enumerate(batch):
                known = pen.connection.execute(_feedback.where(schema.feedback.c.id == one.id)).first()
                if known is not None:
                    again.append((place, self._journal.chain.read(tuple(known))))
                elif one.id in fresh:
                    told[place] = _same_or_refused(content(one) == content(fresh[one.id]), one)
                else:
                    told[place] = self._give(pen, one)
                    if told[place] is True:
                        fresh[one.id] = one
        # After the transaction: nobody waits for ciphers because somebody says a thing twice.
        texts = self._texts([event for _, event in again])
        for place, event in again:
            same = repeats(batch[place], event, text=texts.get(event.facts["payload"]))
            told[place] = _same_or_refused(same, batch[place])
        return [told[place] for place in range(len(batch))]

    def _give(self, pen: Pen, one: Feedback) -> bool | LedgerError:
        row = pen.connection.execute(_answers.where(schema.answer.c.id == one.answer)).first()
        if row is None:
            return LedgerError("artifact.no_answer", id=one.answer)
        answered = self._journal.chain.read(tuple(row))
        about = pen.connection.execute(select(schema.payload).filter_by(digest=answered.facts["payload"])).first()
        if about is None:
            return LedgerError("artifact.erased", id=one.answer)
        # What is said about an answer goes when the answer goes: one key for both.
        payload = self._payloads.seal_under(about.key, Box(one.id, _subject_of(answered.actor), text_of(one)))
        pen.put(payload)
        pen.add(Kind.FEEDBACK, one.id, facts=facts_of(one) | _named(payload), actor=one.caller)
        return True

    def record_shadow(self, shadow: Answer, *, of: str) -> bool:
        """Record what another release would have answered; False where the answer `of` was erased meanwhile.

        The event is about the answer `of`, whose payload has the messages.

        Raises:
            LedgerError: there is no such answer.
        """
        with self._journal.writing() as pen:
            row = pen.connection.execute(_answers.where(schema.answer.c.id == of)).first()
            if row is None:
                raise LedgerError("artifact.no_answer", id=of)
            answered = self._journal.chain.read(tuple(row))
            about = pen.connection.execute(select(schema.payload).filter_by(digest=answered.facts["payload"])).first()
            if about is None:
                return False
            text = {"content": shadow.content, "reasoning": shadow.reasoning}
            payload = self._payloads.seal_under(about.key, Box(of, _subject_of(answered.actor), text))
            facts = _figures(shadow) | {"id": shadow.id, **_named(payload)}
            pen.put(payload)
            pen.add(Kind.SHADOWED, of, facts=facts, actor=shadow.caller)
        return True

    def shadows(self, answer: str) -> list[Answer]:
        """What other releases would have answered in its place, in the order it was recorded."""
        found = []
        for event, text in self._with_texts(_shadows.where(schema.event.c.subject == answer)):
            if text is not None:
                figures = {name: event.facts[name] for name in _answer_figures}
                arm = event.facts.get("arm", {})
                found.append(Answer(id=event.facts["id"], caller=event.actor, messages=[], arm=arm, **figures, **text))
        return found

    def feedback(self, *, answers: Collection[str] | None, after: str | None) -> list[Feedback]:
        """Feedback in the order it was recorded, without what was erased."""
        among = [] if answers is None else blocks(sorted({*answers}))
        queries = [_feedback] if answers is None else [_feedback.where(_spoken_of.in_(block)) for block in among]
        if after is not None:
            queries = [self._later(query, after, table=schema.feedback) for query in queries]
        found = [(event, text) for query in queries for event, text in self._with_texts(query) if text is not None]
        return [opinion(event, text) for event, text in sorted(found, key=lambda one: one[0].seq)]

    def erase(self, identity: str, *, actor: str, reason: str) -> None:
        """Destroy the text of an answer and of the feedback on it, or of one feedback; their figures stay.

        Raises:
            LedgerError: there is no such answer or feedback.
        """
        own = _answers.where(schema.answer.c.id == identity)
        said = _feedback.where((schema.feedback.c.id == identity) | (schema.feedback.c.answer == identity))
        with self._journal.writing() as pen:
            shadows = _shadows.where(schema.event.c.subject == identity)
            rows = [*pen.connection.execute(own), *pen.connection.execute(said), *pen.connection.execute(shadows)]
            if not rows:
                raise LedgerError("artifact.no_answer", id=identity)
            for event in (self._journal.chain.read(tuple(row)) for row in rows):
                digest = event.facts["payload"]
                gone = pen.connection.execute(delete(schema.payload).where(schema.payload.c.digest == digest))
                if gone.rowcount:
                    facts = {"payload": digest, "reason": reason}
                    pen.add(Kind.ERASED, event.subject, facts=facts, actor=actor)

    def erase_subject(self, subject: str, *, actor: str, reason: str) -> int:
        """Destroy the keys of a subject, and so every text of theirs, here and in every copy; returns how many here.

        Raises:
            LedgerError: the keys cannot be had.
        """
        return self.erase_scope(self._payloads.scope(subject), actor=actor, reason=reason)

    def erase_scope(self, scope: str, *, actor: str, reason: str) -> int:
        """The same, for a subject's pseudonym.

        Raises:
            LedgerError: the keys cannot be had.
        """
        vault = self._payloads.vault
        if vault is None:
            raise ValueError("opened without a vault")
        self.encrypt(actor=actor)
        self.settle()
        with self._journal.writing() as pen:
            keys = vault.within(scope)
            vault.doom(keys)
            count = 0
            for block in blocks(keys):
                of_keys = schema.payload.c.key.in_(block)
                old = select(schema.payload.c.digest).where(of_keys, schema.payload.c.body.like("resealed:%"))
                for digest in pen.connection.execute(old).scalars().all():
                    pen.add(Kind.ERASED, scope, facts={"payload": digest, "reason": reason}, actor=actor)
                count += pen.connection.execute(delete(schema.payload).where(of_keys)).rowcount
            if keys:
                facts = {"keys": sorted(keys), "payloads": count, "reason": reason}
                pen.add(Kind.SUBJECT_ERASED, scope, facts=facts, actor=actor)
        vault.destroy(keys)
        return count

    def settle(self) -> None:
        """Destroy the keys whose erasure was recorded by a process that died before it could destroy them."""
        vault = self._payloads.vault
        doomed = vault.doomed() if vault is not None else []
        if vault is None or not doomed:
            return
        with self._journal.database.read() as connection:
            query = select(schema.erasure.c.digest).where(schema.erasure.c.digest.in_(doomed))
            vault.destroy(list(connection.execute(query).scalars()))

    def encrypt(self, *, actor: str) -> int:
        """Encrypt the texts that were recorded before there were keys; returns how many."""
        in_clear = schema.payload.c.key.is_(None)
        with self._journal.database.read() as connection:
            if connection.execute(select(schema.payload.c.digest).where(in_clear).limit(1)).first() is None:
                return 0
        count = 0
        for query in (_answers, _feedback, _shadows):
            for block in blocks(self._journal.events(query)):
                owners = {event.facts["payload"]: event for event in block}
                with self._journal.writing() as pen:
                    rows = pen.connection.execute(
                        select(schema.payload).where(schema.payload.c.digest.in_(owners), in_clear)
                    )
                    items = [
                        (Box(owners[row.digest].subject, self._subject(pen.connection, owners[row.digest]), {}), row)
                        for row in rows
                    ]
                    again = self._payloads.reseal([(box, Stored(*row)) for box, row in items])
                    for stored in again:
                        pen.connection.execute(
                            update(schema.payload)
                            .where(schema.payload.c.digest == stored.digest)
                            .values(body=stored.body, key=stored.key)
                        )
                    count += len(again)
        self._journal.append("payloads.encrypted", "ledger", facts={"payloads": count}, actor=actor)
        return count

    def _subject(self, connection: Connection, event: Event) -> str:
        """Whose data the text of an old event is: the caller's whose answer it is or speaks of."""
        if event.kind == Kind.FEEDBACK:
            row = connection.execute(_answers.where(schema.answer.c.id == event.facts["answer"])).one()
            return _subject_of(self._journal.chain.read(tuple(row)).actor)
        return _subject_of(event.actor)

    def _later(self, query: Select[Any], after: str, *, table: Any) -> Select[Any]:
        """`query`, cut to what was recorded after an id of `table`, or after a time."""
        with self._journal.database.read() as connection:
            seq = connection.execute(select(table.c.seq).where(table.c.id == after)).scalar()
        if seq is not None:
            return query.where(schema.event.c.seq > seq)
        return query.where(schema.event.c.at > since(after))

    def _with_texts(
        self, query: Select[Any], *, page: int | None = None
    ) -> Iterator[tuple[Event, dict[str, Any] | None]]:
        for block in blocks(self._journal.events(query, page=page or _page)):
            texts = self._texts(block)
            for event in block:
                yield event, texts.get(event.facts["payload"])

    def _texts(self, events: Sequence[Event]) -> dict[str, dict[str, Any]]:
        """Digest -> text of those that are there, each checked against its digest."""
        query = select(schema.payload).where(schema.payload.c.digest.in_([e.facts["payload"] for e in events]))
        with self._journal.database.read() as connection:
            rows = {row.digest: Stored(*row) for row in connection.execute(query)}
        present = [(event, rows[digest]) for event in events if (digest := event.facts["payload"]) in rows]
        for event, stored in present:
            if not self._payloads.holds(event.subject, stored):
                raise LedgerError("artifact.payload_changed", seq=event.seq, subject=event.subject)
        return self._payloads.open([(event.subject, stored) for event, stored in present])


def _box(answer: Answer) -> Box:
    text: dict[str, Any] = {
        "messages": answer.messages,
        "content": answer.content,
        "reasoning": answer.reasoning,
    }
    also = {"subject": answer.subject, "session": answer.session}
    text |= {name: value for name, value in also.items() if value is not None}
    return Box(answer.id, answer.subject or _subject_of(answer.caller), text)


def _subject_of(caller: str) -> str:
    """Whose data something is of which only the caller is known."""
    return subject_name("local", caller)


def _named(payload: Stored) -> dict[str, str]:
    """What an event says of its text."""
    return {"payload": payload.digest, **({"key": payload.key} if payload.key else {})}


def _figures(answer: Answer) -> dict[str, Any]:
    """What the event of an answer says of it, beside the digest of its text."""
    told = {name: vars(answer)[name] for name in _answer_figures} | {"decoding": dict(answer.decoding)}
    also = {"arm": answer.arm or None, "safety": answer.safety}
    told |= {name: dict(value) for name, value in also.items() if value is not None}
    return told if answer.consent is None else told | {"consent": answer.consent}


def _answer(event: Event, text: dict[str, Any]) -> Answer:
    facts = event.facts
    figures = {name: facts[name] for name in _answer_figures}
    also = {"arm": facts.get("arm", {}), "safety": facts.get("safety"), "consent": facts.get("consent")}
    return Answer(id=event.subject, caller=event.actor, **also, **figures, **text)


def _same_or_refused(same: bool, feedback: Feedback) -> bool | LedgerError:
    """What is said of an id that comes again."""
    return False if same else LedgerError("artifact.feedback_differs", id=feedback.id)
