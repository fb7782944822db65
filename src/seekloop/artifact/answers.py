"""Answers and feedback: their figures stand in events, their texts in payloads that can be erased."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, delete, select

from seekloop.artifact import schema
from seekloop.artifact.journal import Journal, blocks, is_payload, since
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
_page = 2_000
_feedback = select(schema.event).join(schema.feedback, schema.feedback.c.seq == schema.event.c.seq)


class AnswerLog:
    """Reads and appends the events of answers, feedback and erasures."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def record_answers(self, answers: Sequence[Answer]) -> None:
        """Record a batch in one transaction; an answer whose id is recorded already is not recorded again."""
        with self._journal.writing() as pen:
            fresh = {answer.id: answer for answer in answers}
            for block in blocks(list(fresh)):
                known = pen.connection.execute(select(schema.answer.c.id).where(schema.answer.c.id.in_(block)))
                for identity in known.scalars():
                    del fresh[identity]
            for answer in fresh.values():
                text = {"messages": answer.messages, "content": answer.content, "reasoning": answer.reasoning}
                facts = {
                    "at": answer.at,
                    "release": answer.release,
                    "finish_reason": answer.finish_reason,
                    "prompt_tokens": answer.prompt_tokens,
                    "completion_tokens": answer.completion_tokens,
                    "first_token_ms": answer.first_token_ms,
                    "total_ms": answer.total_ms,
                    "decoding": dict(answer.decoding),
                    "payload": pen.put(text),
                }
                pen.add(Kind.ANSWERED, answer.id, facts=facts, actor=answer.caller)

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

    def record_feedback(self, feedback: Feedback) -> bool:
        """Record feedback; False where its id was recorded before.

        Raises:
            LedgerError: there is no such answer, or its text was erased.
        """
        with self._journal.writing() as pen:
            if pen.connection.execute(select(schema.feedback.c.seq).filter_by(id=feedback.id)).first():
                return False
            row = pen.connection.execute(_answers.where(schema.answer.c.id == feedback.answer)).first()
            if row is None:
                raise LedgerError("artifact.no_answer", id=feedback.answer)
            digest = self._journal.chain.read(tuple(row)).facts["payload"]
            if not pen.connection.execute(select(schema.payload.c.digest).filter_by(digest=digest)).first():
                raise LedgerError("artifact.erased", id=feedback.answer)
            text = {"correction": feedback.correction, "comment": feedback.comment}
            facts = {
                "at": feedback.at,
                "answer": feedback.answer,
                "score": feedback.score,
                "label": feedback.label,
                "payload": pen.put(text),
            }
            pen.add(Kind.FEEDBACK, feedback.id, facts=facts, actor=feedback.caller)
        return True

    def feedback(self, *, answer: str | None, after: str | None) -> list[Feedback]:
        """Feedback in the order it was recorded, without what was erased."""
        query = _feedback if answer is None else _feedback.where(schema.feedback.c.answer == answer)
        if after is not None:
            query = self._later(query, after, table=schema.feedback)
        return [_opinion(event, text) for event, text in self._with_texts(query) if text is not None]

    def erase(self, identity: str, *, actor: str, reason: str) -> None:
        """Destroy the text of an answer and of the feedback on it, or of one feedback; their figures stay.

        Raises:
            LedgerError: there is no such answer or feedback.
        """
        own = _answers.where(schema.answer.c.id == identity)
        said = _feedback.where((schema.feedback.c.id == identity) | (schema.feedback.c.answer == identity))
        with self._journal.writing() as pen:
            rows = [*pen.connection.execute(own), *pen.connection.execute(said)]
            if not rows:
                raise LedgerError("artifact.no_answer", id=identity)
            for event in (self._journal.chain.read(tuple(row)) for row in rows):
                digest = event.facts["payload"]
                gone = pen.connection.execute(delete(schema.payload).where(schema.payload.c.digest == digest))
                if gone.rowcount:
                    facts = {"payload": digest, "reason": reason}
                    pen.add(Kind.ERASED, event.subject, facts=facts, actor=actor)

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
        """Digest -> payload of those that are there, each checked against its digest."""
        query = select(schema.payload).where(schema.payload.c.digest.in_([e.facts["payload"] for e in events]))
        with self._journal.database.read() as connection:
            bodies: dict[str, str] = {row.digest: row.body for row in connection.execute(query)}
        for event in events:
            body = bodies.get(event.facts["payload"])
            if body is not None and not is_payload(body, event.facts["payload"]):
                raise LedgerError("artifact.payload_changed", seq=event.seq, subject=event.subject)
        return {digest: json.loads(body)["value"] for digest, body in bodies.items()}


def _answer(event: Event, text: dict[str, Any]) -> Answer:
    facts = event.facts
    figures = {name: facts[name] for name in _answer_figures}
    return Answer(id=event.subject, caller=event.actor, **figures, **text)


def _opinion(event: Event, text: dict[str, Any]) -> Feedback:
    facts = event.facts
    return Feedback(
        id=event.subject,
        answer=facts["answer"],
        at=facts["at"],
        caller=event.actor,
        score=facts["score"],
        label=facts["label"],
        **text,
    )
