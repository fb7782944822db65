"""What earlier lessons taught, as one set of test rows: a candidate may not forget lesson 2 over lesson 4."""

from __future__ import annotations

from dataclasses import dataclass

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row, read_rows, write_rows
from seekloop.data.wording import asked
from seekloop.evaluate.spec import EvaluateSpec
from seekloop.loop.frozen import FIRST, frozen_sets
from seekloop.loop.registry import Released
from seekloop.loop.steps import Steps
from seekloop.system.spec import Spec

__all__ = ["JoinInputs", "JoinSpec", "earlier_lessons", "join", "rows_alone"]


class JoinSpec(Spec):
    """Nothing to choose: all test rows, a question once."""


@dataclass(frozen=True, kw_only=True)
class JoinInputs:
    """Datasets of lessons."""

    lessons: tuple[Dataset, ...]
    """At least one, the oldest first."""


def earlier_lessons(parent: Released, *, steps: Steps) -> Dataset | None:
    """The test rows of all lessons that were released up to `parent`; None where there are none, or all were erased.

    Raises:
        ArtifactError: a dataset of the line is no longer in the store, or the disk is full.
    """
    sets = tuple(one.dataset for one in frozen_sets(parent, steps.ctx) if one.name != FIRST)
    if len(sets) < 2:
        return sets[0] if sets else None
    return steps.do("join lessons", join, spec=JoinSpec(), inputs=JoinInputs(lessons=sets))


def join(spec: JoinSpec, inputs: JoinInputs, *, ctx: RunContext) -> Dataset:
    """A dataset of the test rows of several; a question that was taught again counts with its newest answer."""
    rows: dict[str, Row] = {}
    for one in inputs.lessons:
        rows |= {asked(row): row for row in read_rows(ctx.store.path(one.id, "test.jsonl"))}
    answers = {one.answer for one in inputs.lessons}
    with ctx.job("lessons", spec) as job:
        for name in ("train", "validation", "calibration", "dropped"):
            write_rows(job.path(f"{name}.jsonl"), ())
        count = write_rows(job.path("test.jsonl"), rows.values())
        return job.commit(
            Dataset(
                parents={f"lesson.{number}": one.id for number, one in enumerate(inputs.lessons, start=1)},
                made_by=job.origin,
                rows=count,
                splits={"train": 0, "validation": 0, "test": count},
                dropped={},
                labels=tuple(sorted({label for one in inputs.lessons for label in one.labels})),
                answer=answers.pop() if len(answers) == 1 else "text",
            )
        )


def rows_alone(spec: EvaluateSpec) -> EvaluateSpec:
    """The same without what is asked beside the rows: a handful of rows is measured in no more time than they take."""
    probes = spec.probes.model_copy(update={"general": False, "safety": False, "passages": False})
    return spec.model_copy(update={"probes": probes})
