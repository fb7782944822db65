"""Datasets made of another dataset's rows: its labels and form, and nothing dropped or kept for calibration."""

from __future__ import annotations

from collections.abc import Mapping

from seekloop.artifact.context import Job
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import write_rows

__all__ = ["commit_subset"]


def commit_subset(job: Job, dataset: Dataset, *, sizes: Mapping[str, int]) -> Dataset:
    """Commit what the job's `train.jsonl`, `validation.jsonl` and `test.jsonl` hold.

    Args:
        job: its folder has the three files.
        dataset: whose rows they are.
        sizes: split -> rows.
    """
    for name in ("calibration", "dropped"):
        write_rows(job.path(f"{name}.jsonl"), ())
    return job.commit(
        Dataset(
            parents={"dataset": dataset.id},
            made_by=job.origin,
            rows=sum(sizes.values()),
            splits=dict(sizes),
            dropped={},
            labels=dataset.labels,
            answer=dataset.answer,
        )
    )
