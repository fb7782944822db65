"""A small labelled dataset in the store, and the tiny model to ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.runtime.tiny import tiny_base
from seekloop.system.spec import Spec

ANSWERS = {"card_lost": "We have blocked the card.", "wrong_fee": "We will refund the fee.", "top_up": "余额已到账。"}


class NoSpec(Spec):
    """A dataset that nobody specified."""


def row(question: str, label: str | None, answer: str, *, line: int = 1) -> Row:
    turns = (Message(role="user", content=question), Message(role="assistant", content=answer))
    return Row(id=row_id([question, answer]), messages=turns, label=label, source=Source(file="bank.jsonl", line=line))


def bank_rows(count: int = 9) -> list[Row]:
    """Rows of three labels in turn, their answers a label and a reply."""
    labels = list(ANSWERS)
    picked = [labels[index % 3] for index in range(count)]
    return [row(f"Question {i}?", one, f"{one}\n{ANSWERS[one]}", line=i + 1) for i, one in enumerate(picked)]


@pytest.fixture
def dataset_of(ctx: RunContext) -> Callable[..., Dataset]:
    """Commits rows as the test split of a dataset."""

    def commit(rows: Sequence[Row], *, answer: str = "label_then_text") -> Dataset:
        with ctx.job("data", NoSpec()) as job:
            for split in ("train", "validation", "test", "calibration", "dropped"):
                write_rows(job.path(f"{split}.jsonl"), rows if split == "test" else [])
            labels = tuple(sorted({one.label for one in rows if one.label}))
            splits = {"train": 0, "validation": 0, "test": len(rows)}
            return job.commit(
                Dataset(made_by=job.origin, rows=len(rows), splits=splits, dropped={}, labels=labels, answer=answer)
            )

    return commit


@pytest.fixture
def tiny(ctx: RunContext) -> Checkpoint:
    """The random two-layer model."""
    return tiny_base(ctx)
