"""Views of a dataset by its folds, as datasets of their own."""

from __future__ import annotations

from pydantic import Field

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import read_rows, write_rows
from seekloop.data.folds import REPORT, Folds
from seekloop.loop.subsets import commit_subset
from seekloop.system import digests
from seekloop.system.errors import UsageError
from seekloop.system.spec import Spec

__all__ = ["views"]


class _FoldSpec(Spec):
    """Which view of which dataset."""

    dataset: str
    """Id of the dataset."""
    fold: int = Field(ge=0)
    """Its rows are validated, all others trained."""


def views(dataset: Dataset, *, ctx: RunContext) -> list[Dataset]:
    """A dataset for each fold: its rows in `validation`, all others in `train`; `test` as it is, so leaks are refused.

    Raises:
        UsageError: the dataset has no folds.
    """
    if REPORT not in dataset.files:
        raise UsageError("loop.no_folds", id=digests.short(dataset.id))
    folds = Folds.read(ctx.store.path(dataset.id, REPORT))
    return [_view(dataset, folds, number=number, ctx=ctx) for number in range(folds.k)]


def _view(dataset: Dataset, folds: Folds, *, number: int, ctx: RunContext) -> Dataset:
    parts = {"train": folds.train(number), "validation": folds.validation(number)}
    with ctx.job("fold", _FoldSpec(dataset=dataset.id, fold=number)) as job:
        sizes = {}
        for split, wanted in parts.items():
            sources = (ctx.store.path(dataset.id, f"{name}.jsonl") for name in ("train", "validation"))
            rows = (row for source in sources for row in read_rows(source) if row.id in wanted)
            sizes[split] = write_rows(job.path(f"{split}.jsonl"), rows)
        sizes["test"] = write_rows(job.path("test.jsonl"), read_rows(ctx.store.path(dataset.id, "test.jsonl")))
        return commit_subset(job, dataset, sizes=sizes)
