"""A released checkpoint in the store, and windows of production to learn from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Figure, Release, Report, Traffic
from seekloop.artifact.ledger import Answer, Feedback
from seekloop.system.spec import Spec


class NoSpec(Spec):
    """An artifact that nobody specified."""


def answer(number: int, content: str = "card_lost\nWe block it.", **changes: Any) -> Answer:
    fields: dict[str, Any] = {
        "id": f"ans_{number:04x}",
        "release": "",
        "at": f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}+00:00",
        "caller": f"customer-{number}",
        "messages": [{"role": "user", "content": f"Question {number}?"}],
        "content": content,
        "finish_reason": "stop",
        "prompt_tokens": 5,
        "completion_tokens": 5,
        "first_token_ms": 1.0,
        "total_ms": 2.0,
    }
    return Answer(**{**fields, **changes})


def feedback(number: int, **changes: Any) -> Feedback:
    fields: dict[str, Any] = {
        "id": f"fb-{number}",
        "answer": f"ans_{number:04x}",
        "at": f"2026-01-02T00:{number // 60:02d}:{number % 60:02d}+00:00",
        "caller": "agent",
    }
    return Feedback(**{**fields, **changes})


class Production:
    """One release, and what happened under it."""

    def __init__(self, ctx: RunContext, form: str, accuracy: float) -> None:
        self.ctx = ctx
        with ctx.job("data", NoSpec()) as job:
            self.dataset = job.commit(
                Dataset(
                    made_by=job.origin, rows=0, splits={}, dropped={}, labels=("card_lost", "wrong_fee"), answer=form
                )
            )
        self.checkpoint = self._checkpoint("f32")
        with ctx.job("evaluate", NoSpec()) as job:
            figure = Figure(name="accuracy", value=accuracy, n=100, ci=(accuracy, accuracy))
            self.report = job.commit(
                Report(
                    parents={"checkpoint": self.checkpoint.id, "dataset": self.dataset.id},
                    made_by=job.origin,
                    subject=self.checkpoint.id,
                    dataset=self.dataset.id,
                    split="test",
                    engine="echo",
                    figures=(figure,),
                )
            )
        self.release = self.release_of(self.checkpoint)

    def release_of(self, checkpoint: Checkpoint | None = None) -> Release:
        """A release of a checkpoint (None: of another one)."""
        chosen = checkpoint or self._checkpoint("q8_0")
        with self.ctx.job("serve", NoSpec()) as job:
            parents = {"checkpoint": chosen.id, "report": self.report.id}
            system = "Answer as the bank."
            return job.commit(
                Release(parents=parents, made_by=job.origin, checkpoint=chosen.id, report=self.report.id, system=system)
            )

    def traffic(
        self, answers: Sequence[Answer], given: Sequence[Feedback] = (), *, release: Release | None = None
    ) -> Traffic:
        """A window with these answers, all of one release."""
        by = release or self.release
        answers = [dataclasses.replace(one, release=by.id) for one in answers]
        with self.ctx.job("serve", NoSpec()) as job:
            for name, records in (("answers.jsonl", answers), ("feedback.jsonl", given)):
                lines = [json.dumps(dataclasses.asdict(one), ensure_ascii=False) for one in records]
                job.path(name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
            return job.commit(
                Traffic(
                    parents={"release.0": by.id},
                    made_by=job.origin,
                    answers=len(answers),
                    feedback=len(given),
                    releases=(by.id,) if answers else (),
                )
            )

    def _checkpoint(self, precision: str) -> Checkpoint:
        with self.ctx.job("tune", NoSpec()) as job:
            return job.commit(
                Checkpoint(made_by=job.origin, form="full", family="smollm2", precision=precision, parameters=1)
            )


@pytest.fixture
def production(ctx: RunContext) -> Callable[..., Production]:
    """Makes a release that answers in a form, and whose report promises an accuracy."""

    def make(form: str = "label_then_text", *, accuracy: float = 0.95) -> Production:
        return Production(ctx, form, accuracy)

    return make
