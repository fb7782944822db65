"""Samples of a dataset's train rows, as datasets of their own: each within the next, labels in proportion."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from pydantic import Field

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row, read_rows, write_rows
from seekloop.loop.subsets import commit_subset
from seekloop.system import digests
from seekloop.system.spec import Spec

__all__ = ["sample"]


class _SampleSpec(Spec):
    """Which part of which dataset."""

    dataset: str
    """Id of the dataset."""
    share: float = Field(gt=0, le=1)
    """Of the train rows of each label."""


def sample(dataset: Dataset, *, share: float, ctx: RunContext) -> Dataset:
    """The dataset with `share` of its train rows, at least one of each label; validation and test rows as they are.

    Which rows, follows from their ids alone. Memory holds the ids of the train rows.
    """
    source = ctx.store.path(dataset.id, "train.jsonl")
    chosen = _chosen(read_rows(source), share=share)
    with ctx.job("sample", _SampleSpec(dataset=dataset.id, share=share)) as job:
        sizes = {"train": write_rows(job.path("train.jsonl"), (row for row in read_rows(source) if row.id in chosen))}
        for split in ("validation", "test"):
            sizes[split] = write_rows(
                job.path(f"{split}.jsonl"), read_rows(ctx.store.path(dataset.id, f"{split}.jsonl"))
            )
        return commit_subset(job, dataset, sizes=sizes)


def _chosen(rows: Iterable[Row], *, share: float) -> set[str]:
    by_label: dict[str | None, list[str]] = defaultdict(list)
    for row in rows:
        by_label[row.label].append(row.id)
    chosen: set[str] = set()
    for ids in by_label.values():
        ids.sort(key=lambda one: digests.of_json(["quick", one]))
        chosen.update(ids[: math.ceil(len(ids) * share)])
    return chosen
