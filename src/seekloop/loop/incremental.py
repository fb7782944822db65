"""What a later round trains on, and what comes of it: the candidate.

    continue   lesson -> data(+ replay of every round before) -> tune(the released one goes on) -> form
    retrain    lesson -> data(+ all that was ever trained)    -> tune(the base, as at first)    -> form

Where both are tried, both are measured alike, and `strategies.choose` says which goes on.
"""

from __future__ import annotations

from seekloop.artifact.kinds import Checkpoint, Corpus, Dataset, Lesson
from seekloop.compress import stage as compress
from seekloop.compress.spec import CompressInputs
from seekloop.data import stage as data
from seekloop.data.replay_spec import ReplaySpec
from seekloop.data.spec import DataInputs, DataSpec
from seekloop.loop import line, registry, trials
from seekloop.loop.incremental_spec import Strategy
from seekloop.loop.project import ProjectSpec
from seekloop.loop.registry import Released
from seekloop.loop.steps import Steps
from seekloop.loop.strategies import Skipped, choose
from seekloop.loop.trials import Trial
from seekloop.tune import stage as tune
from seekloop.tune.spec import TuneInputs

__all__ = ["candidate", "dataset"]


def dataset(spec: ProjectSpec, lesson: Lesson, *, parent: Released, steps: Steps) -> Dataset:
    """The corrected rows of a lesson, cleaned, split and mixed with replay."""
    corpus = registry.corpus_of(lesson, ctx=steps.ctx)
    return _made("data 2", spec.incremental.data, corpus=corpus, parent=parent, steps=steps)


def candidate(spec: ProjectSpec, rows: Dataset, *, parent: Released, steps: Steps) -> Checkpoint:
    """The checkpoint that is judged: of the strategies that the spec names the one that did best.

    Which goes on, and why, is an event `loop.compared`. An interrupted round comes to the same choice.
    """
    made: list[Trial] = []
    skipped: list[Skipped] = []
    for strategy in spec.incremental.strategies:
        minutes = _beyond(strategy, spec, rows=rows, parent=parent, steps=steps)
        if minutes is None or len(spec.incremental.strategies) == 1:
            made.append(_trained(strategy, spec, rows=rows, parent=parent, steps=steps))
            continue
        allowed = spec.incremental.retrain_minutes
        skipped.append(Skipped(strategy=strategy, minutes=round(minutes, 4), allowed=allowed))
        steps.ctx.progress.say(f"{strategy} is left out: {minutes:.1f} minutes, and {allowed:g} are allowed")
    if len(made) == 1 and not skipped:
        return made[0].candidate
    choice = choose(trials.tried(made, spec, dataset=rows, parent=parent, steps=steps), skipped)
    trials.record(choice, ctx=steps.ctx)
    return next(trial.candidate for trial in made if trial.candidate.id == choice.chosen)


def _trained(strategy: Strategy, spec: ProjectSpec, *, rows: Dataset, parent: Released, steps: Steps) -> Trial:
    """Train by one strategy, and bring the result into the form that is served."""
    suffix, told, start = "", spec.incremental.tune, parent.tuned
    if strategy == "retrain":
        suffix, told, start = " retrain", spec.tune, parent.base
        rows = _with_all(spec, rows, parent=parent, steps=steps)
    tuned = steps.do(f"tune 2{suffix}", tune.run, spec=told, inputs=TuneInputs(dataset=rows, checkpoint=start))
    if not spec.release_form:
        return Trial(strategy=strategy, tuned=tuned, candidate=tuned)
    inputs = CompressInputs(checkpoint=tuned, dataset=rows)
    form = steps.do(f"compress 2{suffix}", compress.run, spec=spec.compress[spec.release_form], inputs=inputs)
    return Trial(strategy=strategy, tuned=tuned, candidate=form)


def _with_all(spec: ProjectSpec, rows: Dataset, *, parent: Released, steps: Steps) -> Dataset:
    """The same lesson, split the same, among all rows that were ever trained."""
    all_rows = ReplaySpec(method="reservoir", share=1.0, at_most=None)
    told = spec.incremental.data.model_copy(update={"replay": all_rows})
    corpus = steps.ctx.store.open(rows.parents["corpus"], Corpus)
    found = _made("data 2 retrain", told, corpus=corpus, parent=parent, steps=steps)
    assert found.files["test.jsonl"].digest == rows.files["test.jsonl"].digest, "replay moves no row between splits"
    return found


def _made(name: str, told: DataSpec, *, corpus: Corpus, parent: Released, steps: Steps) -> Dataset:
    """A dataset of the lesson; nothing is replayed that was withdrawn or erased since it was trained."""
    before = tuple(line.line_of(parent.trained_on, ctx=steps.ctx))
    if told.replay is not None:
        without = tuple(sorted({*told.replay.without, *line.withdrawn(before, ctx=steps.ctx)}))
        told = told.model_copy(update={"replay": told.replay.model_copy(update={"without": without})})
    inputs = DataInputs(corpus=corpus, parent=before[0], ancestors=before[1:])
    return steps.do(name, data.run, spec=told, inputs=inputs)


def _beyond(strategy: Strategy, spec: ProjectSpec, *, rows: Dataset, parent: Released, steps: Steps) -> float | None:
    """Minutes that a strategy would take, where they are more than allowed; None: it may be tried."""
    if strategy == "continue":
        return None
    before = line.line_of(parent.trained_on, ctx=steps.ctx)
    count = sum(one.splits["train"] - one.replay for one in (rows, *before))
    minutes = trials.minutes_of(count, spec, parent=parent, ctx=steps.ctx)
    return minutes if minutes is not None and minutes > spec.incremental.retrain_minutes else None
