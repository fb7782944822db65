"""Checkpoint and its own report in, one immutable release out."""

from __future__ import annotations

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset, Decoding, Release, Report
from seekloop.artifact.rows import read_rows
from seekloop.artifact.store import Store
from seekloop.serve.spec import ServeInputs, ServeSpec
from seekloop.system import digests
from seekloop.system.errors import UsageError

__all__ = ["run"]


def run(spec: ServeSpec, inputs: ServeInputs, *, ctx: RunContext) -> Release:
    """Make a release of a measured checkpoint.

    Raises:
        UsageError: the report measured another checkpoint.
        ArtifactError: the report's dataset is not in the store.
    """
    checkpoint, report = inputs.checkpoint, inputs.report
    if report.subject != checkpoint.id:
        raise UsageError(
            "serve.not_measured",
            checkpoint=digests.short(checkpoint.id),
            report=digests.short(report.id),
            subject=digests.short(report.subject),
        )
    system = spec.system if spec.system is not None else _trained_system(report, ctx.store)
    with ctx.job("serve", spec) as job:
        return job.commit(
            Release(
                parents={"checkpoint": checkpoint.id, "report": report.id},
                made_by=job.origin,
                checkpoint=checkpoint.id,
                report=report.id,
                decoding=Decoding(max_tokens=spec.max_tokens, temperature=spec.temperature, top_p=spec.top_p),
                system=system,
            )
        )


def _trained_system(report: Report, store: Store) -> str | None:
    """The system message that every measured row began with; None where rows differ or have none."""
    dataset = store.open(report.dataset, Dataset)
    path = store.path(dataset.id, f"{report.split}.jsonl")
    first = {
        row.messages[0].content if row.messages and row.messages[0].role == "system" else None
        for row in read_rows(path)
    }
    return first.pop() if len(first) == 1 else None
