"""What a later round trains on, and what comes of it: the candidate."""

from __future__ import annotations

from seekloop.artifact.kinds import Checkpoint, Dataset, Lesson
from seekloop.compress import stage as compress
from seekloop.compress.spec import CompressInputs
from seekloop.data import stage as data
from seekloop.data.spec import DataInputs
from seekloop.loop import registry
from seekloop.loop.project import ProjectSpec
from seekloop.loop.registry import Released
from seekloop.loop.steps import Steps
from seekloop.tune import stage as tune
from seekloop.tune.spec import TuneInputs

__all__ = ["candidate", "dataset"]


def dataset(spec: ProjectSpec, lesson: Lesson, *, parent: Released, steps: Steps) -> Dataset:
    """The corrected rows of a lesson, cleaned, split and mixed with replay."""
    corpus = registry.corpus_of(lesson, ctx=steps.ctx)
    inputs = DataInputs(corpus=corpus, parent=parent.trained_on)
    return steps.do("data 2", data.run, spec=spec.incremental.data, inputs=inputs)


def candidate(spec: ProjectSpec, rows: Dataset, *, parent: Released, steps: Steps) -> Checkpoint:
    """The released model trained on, in the form that is served."""
    inputs = TuneInputs(dataset=rows, checkpoint=parent.tuned)
    tuned = steps.do("tune 2", tune.run, spec=spec.incremental.tune, inputs=inputs)
    if not spec.release_form:
        return tuned
    method = spec.compress[spec.release_form]
    return steps.do("compress 2", compress.run, spec=method, inputs=CompressInputs(checkpoint=tuned, dataset=rows))
