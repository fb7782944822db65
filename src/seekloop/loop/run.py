"""The whole loop, in order. Read this file first.

    first round   read -> data -> tune -> evaluate(base) -> compress -> evaluate(every form) -> release -> promote
    next round    learn -> data(+ replay) -> tune(continue) -> compress -> evaluate(against parent and base)
                  -> gate(against the parent) -> release -> promote

Every line is a step that the ledger remembers: run it again after a crash and it goes on where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from seekloop.artifact.kinds import Checkpoint, Dataset, Lesson, Release, Report, Traffic
from seekloop.compress import stage as compress
from seekloop.compress.spec import CompressInputs
from seekloop.data import stage as data
from seekloop.data.read.corpus import read_corpus
from seekloop.data.spec import DataInputs
from seekloop.evaluate import stage as evaluate
from seekloop.evaluate.spec import EvaluateInputs
from seekloop.learn import stage as learn
from seekloop.learn.spec import LearnInputs
from seekloop.loop import evidence, incremental, promotion, registry
from seekloop.loop.gates import Verdict
from seekloop.loop.project import ProjectSpec
from seekloop.loop.steps import Steps
from seekloop.runtime.bases import open_base
from seekloop.serve import stage as serve
from seekloop.serve.spec import ServeInputs
from seekloop.tune import stage as tune
from seekloop.tune.spec import TuneInputs

__all__ = ["FirstRound", "NextRound", "first_round", "next_round"]

TUNED = "tuned"


@dataclass(frozen=True, kw_only=True)
class FirstRound:
    """What the first round made."""

    base: Checkpoint
    dataset: Dataset
    base_report: Report
    forms: dict[str, Checkpoint]
    """The tuned checkpoint under `tuned`, and each compressed form by its name."""
    reports: dict[str, Report]
    """A report for each form, on the held-out test split."""
    release: Release


@dataclass(frozen=True, kw_only=True)
class NextRound:
    """What a later round made; fields are None from the point where it stopped."""

    traffic: Traffic
    lesson: Lesson
    dataset: Dataset | None = None
    candidate: Checkpoint | None = None
    reports: dict[str, Report] = field(default_factory=dict)
    """As `evidence.Measured` has them."""
    verdict: Verdict | None = None
    release: Release | None = None

    @property
    def promoted(self) -> bool:
        """Whether the gate let the candidate through."""
        return self.verdict is not None and self.verdict.decision == "promote"


def first_round(spec: ProjectSpec, steps: Steps) -> FirstRound:
    """From raw data to a promoted release."""
    ctx = steps.ctx
    corpus = steps.made("read", lambda: read_corpus(spec.data.sources, ctx=ctx, spec=spec.data.read))
    dataset = steps.do("data", data.run, spec=spec.data, inputs=DataInputs(corpus=corpus))
    base = steps.made("base", lambda: open_base(spec.base, ctx=ctx))
    tuned = steps.do("tune", tune.run, spec=spec.tune, inputs=TuneInputs(dataset=dataset, checkpoint=base))
    base_report = steps.do(
        "evaluate base", evaluate.run, spec=spec.evaluate, inputs=EvaluateInputs(checkpoint=base, dataset=dataset)
    )
    forms = {TUNED: tuned}
    for name, method in spec.compress.items():
        forms[name] = steps.do(
            f"compress {name}", compress.run, spec=method, inputs=CompressInputs(checkpoint=tuned, dataset=dataset)
        )
    reports: dict[str, Report] = {}
    for name, form in forms.items():
        before = base_report if name == TUNED else reports[TUNED]
        inputs = EvaluateInputs(checkpoint=form, dataset=dataset, baseline=before)
        reports[name] = steps.do(f"evaluate {name}", evaluate.run, spec=spec.evaluate, inputs=inputs)
    chosen = spec.release_form or TUNED
    release = steps.do(
        "release", serve.run, spec=spec.serve, inputs=ServeInputs(checkpoint=forms[chosen], report=reports[chosen])
    )
    registry.promote(spec.alias, release, reason="first round", ctx=ctx)
    return FirstRound(
        base=base, dataset=dataset, base_report=base_report, forms=forms, reports=reports, release=release
    )


def next_round(spec: ProjectSpec, traffic: Traffic, *, steps: Steps) -> NextRound:
    """From what production taught to a candidate, which only the gate can promote."""
    ctx = steps.ctx
    parent = registry.released(spec.alias, ctx=ctx)
    lesson = steps.do("learn", learn.run, spec=spec.learn, inputs=LearnInputs(traffic=traffic, report=parent.report))
    reached = steps.witness.reached
    reached("learned", lesson=lesson.id, verdict=lesson.verdict, reason=lesson.reason)
    if lesson.verdict == "roll_back":
        promotion.go_back(spec, lesson, steps=steps)
    if lesson.verdict != "retrain":
        return NextRound(traffic=traffic, lesson=lesson)

    dataset = incremental.dataset(spec, lesson, parent=parent, steps=steps)
    candidate = incremental.candidate(spec, dataset, parent=parent, steps=steps)
    reached("built", dataset=dataset.id, candidate=candidate.id)
    measured = evidence.measure(spec, candidate, dataset=dataset, parent=parent, steps=steps)
    reached("measured", reports={name: report.id for name, report in measured.reports.items()})
    verdict = evidence.judge(spec, candidate, measured=measured, traffic=traffic, ctx=ctx)
    reached("judged", **promotion.judged(candidate, measured=measured, verdict=verdict))
    release = promotion.put_into_production(spec, candidate, measured=measured, verdict=verdict, steps=steps)
    return NextRound(
        traffic=traffic,
        lesson=lesson,
        dataset=dataset,
        candidate=candidate,
        reports=measured.reports,
        verdict=verdict,
        release=release,
    )
