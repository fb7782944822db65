"""A window of production, taken out of the ledger as an artifact that stages can learn from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Traffic
from seekloop.artifact.ledger import Answer, Feedback
from seekloop.serve.spec import TrafficSpec

__all__ = ["collect"]


def collect(ctx: RunContext, *, after: str | None = None, release: str | None = None) -> Traffic:
    """The answers and feedback since `after`, of one release or of all.

    Feedback often comes later than its answer, so an answer from before the window is taken along when feedback
    inside the window speaks of it.

    Args:
        ctx: where to read and write.
        after: ISO 8601 moment in UTC; None: from the beginning.
        release: id of one release; None: every release.
    """
    answers = {answer.id: answer for answer in ctx.ledger.answers(release=release, after=after)}
    feedback: list[Feedback] = []
    for item in ctx.ledger.feedback(after=after):
        answer = answers.get(item.answer) or ctx.ledger.answer(item.answer)
        if release in (None, answer.release):
            answers[answer.id] = answer
            feedback.append(item)
    rows = sorted(answers.values(), key=lambda answer: (answer.at, answer.id))
    releases = tuple(sorted({answer.release for answer in rows}))
    with ctx.job("serve", TrafficSpec(after=after, release=release)) as job:
        _write(job.path("answers.jsonl"), rows)
        _write(job.path("feedback.jsonl"), sorted(feedback, key=lambda item: (item.at, item.id)))
        return job.commit(
            Traffic(
                parents={f"release.{index}": identity for index, identity in enumerate(releases)},
                made_by=job.origin,
                answers=len(rows),
                feedback=len(feedback),
                releases=releases,
            )
        )


def _write(path: Path, records: Sequence[Answer] | Sequence[Feedback]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(dataclasses.asdict(record), ensure_ascii=False, sort_keys=True) + "\n")
