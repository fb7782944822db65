"""Rows small enough for the tiny model, and a dataset of them."""

from __future__ import annotations

from collections.abc import Sequence

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Message, Row, Source, write_rows
from seekloop.system.spec import Spec

__all__ = ["dataset_of", "row"]


def row(number: int, *, answer: bool = True) -> Row:
    """A question, and its answer."""
    said = (Message(role="assistant", content=f"It is {number}."),) if answer else ()
    return Row(
        id=f"row:{number:016x}",
        messages=(Message(role="user", content=f"What comes after {number}?"), *said),
        source=Source(file="made", line=number + 1),
    )


def dataset_of(
    ctx: RunContext, train: int = 8, *, calibration: int = 4, questions: int = 0, test: Sequence[Row] = ()
) -> Dataset:
    """So many rows with answers and questions without."""
    rows = [row(number) for number in range(train)]
    more = [row(train + number, answer=False) for number in range(questions)]
    splits = {"train": [*rows, *more], "validation": [], "test": list(test)}
    with ctx.job("data", Spec()) as job:
        for name, part in {**splits, "calibration": rows[:calibration], "dropped": []}.items():
            write_rows(job.path(f"{name}.jsonl"), part)
        counts = {name: len(part) for name, part in splits.items()}
        return job.commit(Dataset(made_by=job.origin, rows=sum(counts.values()), splits=counts, dropped={}))
