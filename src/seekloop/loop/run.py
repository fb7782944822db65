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
from seekloop.loop import registry
from seekloop.loop.business import figures_of_traffic
from seekloop.loop.gates import Verdict, decide, evidence_of
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
    """`frozen` and `lesson`: the candidate on the first round's test split and on the lesson's own, each against parent
    and base; `parent_lesson` and `base_lesson`: these two on the latter."""
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
    if lesson.verdict == "roll_back":
        registry.roll_back(spec.alias, reason=lesson.reason, ctx=ctx)
    if lesson.verdict != "retrain":
        return NextRound(traffic=traffic, lesson=lesson)

    corpus = registry.corpus_of(lesson, ctx=ctx)
    dataset = steps.do(
        "data 2", data.run, spec=spec.incremental.data, inputs=DataInputs(corpus=corpus, parent=parent.trained_on)
    )
    tuned = steps.do(
        "tune 2", tune.run, spec=spec.incremental.tune, inputs=TuneInputs(dataset=dataset, checkpoint=parent.tuned)
    )
    candidate = tuned
    if spec.release_form:
        method = spec.compress[spec.release_form]
        candidate = steps.do(
            "compress 2", compress.run, spec=method, inputs=CompressInputs(checkpoint=tuned, dataset=dataset)
        )

    base_inputs = EvaluateInputs(checkpoint=parent.base, dataset=parent.frozen)
    base = steps.do("evaluate base", evaluate.run, spec=spec.evaluate, inputs=base_inputs)
    frozen_inputs = EvaluateInputs(checkpoint=candidate, dataset=parent.frozen, baseline=parent.report, others=(base,))
    frozen = steps.do("evaluate 2 frozen", evaluate.run, spec=spec.evaluate, inputs=frozen_inputs)
    base_inputs = EvaluateInputs(checkpoint=parent.base, dataset=dataset)
    base_lesson = steps.do("evaluate base lesson", evaluate.run, spec=spec.evaluate, inputs=base_inputs)
    before_inputs = EvaluateInputs(checkpoint=parent.checkpoint, dataset=dataset)
    before = steps.do("evaluate parent lesson", evaluate.run, spec=spec.evaluate, inputs=before_inputs)
    lesson_inputs = EvaluateInputs(checkpoint=candidate, dataset=dataset, baseline=before, others=(base_lesson,))
    after = steps.do("evaluate 2 lesson", evaluate.run, spec=spec.evaluate, inputs=lesson_inputs)

    measured = {"frozen": frozen, "lesson": after}
    receipts = {name: ctx.store.receipt(report.id) for name, report in measured.items()}
    business = figures_of_traffic(spec.kpis, traffic, ctx=ctx)
    verdict = decide(spec.gate, evidence_of(measured, receipts=receipts, business=business))
    registry.note_verdict(verdict, candidate, ctx=ctx)
    release = None
    if verdict.decision == "promote":
        release = steps.do(
            "release 2", serve.run, spec=spec.serve, inputs=ServeInputs(checkpoint=candidate, report=frozen)
        )
        registry.promote(spec.alias, release, reason=f"gate {verdict.rule_digest}", ctx=ctx)
    reports = {"frozen": frozen, "lesson": after, "parent_lesson": before, "base_lesson": base_lesson}
    return NextRound(
        traffic=traffic,
        lesson=lesson,
        dataset=dataset,
        candidate=candidate,
        reports=reports,
        verdict=verdict,
        release=release,
    )
