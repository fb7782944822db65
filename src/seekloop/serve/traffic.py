"""A window of production, taken out of the ledger as an artifact that stages can learn from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seekloop.artifact.consents import statements
from seekloop.artifact.context import RunContext
from seekloop.artifact.journal import since
from seekloop.artifact.kinds import Traffic
from seekloop.artifact.ledger import Answer, Event, Feedback, Ledger
from seekloop.serve.spec import TrafficSpec

__all__ = ["DECIDED", "collect"]

DECIDED = "review.decided"
"""Kind of the event in which a person decides on an answer: accept, correct or discard."""
_settled = "settled"
"""State of a case on which nobody else has to be heard."""
_later = frozenset({"session", "consent", "outcome", "signals", "user"})


def collect(ctx: RunContext, *, after: str | None = None, release: str | None = None) -> Traffic:
    """The answers and feedback since `after`, of one release or of all.

    Feedback often comes later than its answer, so an answer from before the window is taken along when feedback
    inside the window speaks of it, and so is one that somebody decided on in a review since. What reviewers decided and
    what was said of learning from these answers is written beside them as it stands now, so that a lesson is a function
    of its traffic.

    Args:
        ctx: where to read and write.
        after: ISO 8601 moment in UTC; None: from the beginning.
        release: id of one release; None: every release.
    """
    answers = {answer.id: answer for answer in ctx.ledger.answers(release=release, after=after)}
    fresh = frozenset(answers)
    feedback: list[Feedback] = []
    for item in ctx.ledger.feedback(after=after):
        answer = answers.get(item.answer) or ctx.ledger.kept_answer(item.answer)
        if answer is not None and release in (None, answer.release):
            answers[answer.id] = answer
            feedback.append(item)
    decided = _followed(list(_decided(ctx, answers, after=after, release=release)), ctx.ledger)
    rows = sorted(answers.values(), key=lambda answer: (answer.at, answer.id))
    releases = tuple(sorted({answer.release for answer in rows}))
    with ctx.job("serve", TrafficSpec(after=after, release=release)) as job:
        _write(job.path("answers.jsonl"), map(_plain, rows))
        _write(job.path("feedback.jsonl"), map(_plain, sorted(feedback, key=lambda item: (item.at, item.id))))
        # What was said before the window of answers that are taken along counts as much.
        earlier = ctx.ledger.feedback(answer=[answer.id for answer in rows if answer.id not in fresh])
        said = statements(ctx.ledger, rows, feedback=[*earlier, *feedback])
        for name, beside in (("consent.jsonl", map(dataclasses.asdict, said)), ("decisions.jsonl", decided)):
            _write_some(job.path(name), list(beside))
        return job.commit(
            Traffic(
                parents={f"release.{index}": identity for index, identity in enumerate(releases)},
                made_by=job.origin,
                answers=len(rows),
                feedback=len(feedback),
                releases=releases,
            )
        )


def _decided(ctx: RunContext, answers: dict[str, Answer], *, after: str | None, release: str | None) -> Iterator[Event]:
    """What reviewers decided on answers of the window, whose answers are added to it; erased ones are left out."""
    begins = None if after is None else since(after)
    for event in ctx.ledger.events(kind=DECIDED):
        if event.subject not in answers:
            recorded = ctx.ledger.answered(event.subject)
            fits = recorded is not None and release in (None, recorded.facts["release"])
            if not fits or (begins is not None and event.at <= begins):
                continue
            found = ctx.ledger.kept_answer(event.subject)
            if found is None:
                continue
            answers[found.id] = found
        yield event


def _followed(decided: Sequence[Event], ledger: Ledger) -> list[dict[str, Any]]:
    """What follows from decisions: nothing while reviewers wait for one another; their texts are those of feedback."""
    spoken = {event.subject for event in decided if event.facts.get("feedback") is not None}
    texts = {(one.answer, one.id): one.correction for one in ledger.feedback(answer=spoken)}
    return [
        {"answer": event.subject, "actor": event.actor, "at": event.at, "seq": event.seq, "facts": _facts(event, texts)}
        for event in decided
    ]


def _facts(event: Event, texts: Mapping[tuple[str, str], str | None]) -> dict[str, Any]:
    facts = dict(event.facts)
    if facts.get("state", _settled) != _settled:
        return facts | {"decision": "discard", "label": None, "correction": None}
    named = facts.get("feedback")
    return facts if named is None else facts | {"correction": texts.get((event.subject, named))}


def _plain(record: Answer | Feedback) -> dict[str, Any]:
    """A record as JSON; what records did not have at first is left out where nothing was said of it."""
    value = dataclasses.asdict(record)
    return {name: one for name, one in value.items() if name not in _later or one not in (None, ())}


def _write(path: Path, records: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n")


def _write_some(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """A file, where there is anything to write: windows without it keep the ids that they always had."""
    if records:
        _write(path, records)
