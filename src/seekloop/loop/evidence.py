"""What is measured of a candidate, and the verdict that follows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Figure, Report, Traffic
from seekloop.evaluate import stage as evaluate
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.loop import registration, registry, rehearing
from seekloop.loop.business import figures_of_traffic
from seekloop.loop.gates import Objection, Verdict, decide
from seekloop.loop.lessons import earlier_lessons, rows_alone
from seekloop.loop.project import ProjectSpec
from seekloop.loop.registry import Released
from seekloop.loop.rules import LESSONS
from seekloop.loop.steps import Steps
from seekloop.system.errors import SeekloopError

__all__ = ["Measured", "judge", "measure"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The reports of a round."""

    frozen: Report
    """The candidate on the first round's test split, against parent and base."""
    lesson: Report
    """The candidate on the lesson's own test split, against parent and base."""
    parent_lesson: Report
    """The parent on the latter."""
    base_lesson: Report
    """The base on the latter."""
    lessons: Report | None = None
    """The candidate on the test rows of all lessons that were released before, against the parent; None: there are
    none."""
    parent_lessons: Report | None = None
    """The parent on these."""

    extra: tuple[Figure, ...] = ()
    """Figures of the candidate beside the reports', which rules name like any other: `forgetting_points`."""

    @property
    def reports(self) -> dict[str, Report]:
        """By name; those on `lessons` where there are earlier lessons."""
        found = {
            "frozen": self.frozen,
            "lesson": self.lesson,
            "parent_lesson": self.parent_lesson,
            "base_lesson": self.base_lesson,
            LESSONS: self.lessons,
            "parent_lessons": self.parent_lessons,
        }
        return {name: report for name, report in found.items() if report is not None}

    @property
    def asked(self) -> dict[str, Report | None]:
        """The candidate's, by the name that rules know them under; None: there was nothing to measure on."""
        return {"frozen": self.frozen, "lesson": self.lesson, LESSONS: self.lessons}


def measure(spec: ProjectSpec, candidate: Checkpoint, *, dataset: Dataset, parent: Released, steps: Steps) -> Measured:
    """Write the rules down, then measure parent, base and candidate on what was frozen and on the lesson's own rows.

    Parent and candidate are measured on what earlier lessons taught, too.

    An evaluator that fails is a verdict of its own in the ledger, hold, and the error goes on to the caller: asked
    again, the round goes on where it stopped.
    """

    def report(name: str, inputs: EvaluateInputs, *, told: EvaluateSpec = spec.evaluate) -> Report:
        try:
            return steps.do(name, evaluate.run, spec=told, inputs=inputs)
        except Exception as error:
            _note_outage(spec, candidate, during=name, error=error, ctx=steps.ctx)
            raise

    earlier = earlier_lessons(parent, steps=steps)
    registration.register(
        spec.gate,
        candidate,
        evaluate=spec.evaluate,
        data={"frozen": parent.frozen, "lesson": dataset, **({} if earlier is None else {LESSONS: earlier})},
        parent=parent.release.id,
        ctx=steps.ctx,
    )
    base = report("evaluate base", EvaluateInputs(checkpoint=parent.base, dataset=parent.frozen))
    frozen = report(
        "evaluate 2 frozen",
        EvaluateInputs(checkpoint=candidate, dataset=parent.frozen, baseline=parent.report, others=(base,)),
    )
    base_lesson = report("evaluate base lesson", EvaluateInputs(checkpoint=parent.base, dataset=dataset))
    before = report("evaluate parent lesson", EvaluateInputs(checkpoint=parent.checkpoint, dataset=dataset))
    lesson = report(
        "evaluate 2 lesson",
        EvaluateInputs(checkpoint=candidate, dataset=dataset, baseline=before, others=(base_lesson,)),
    )
    measured = Measured(frozen=frozen, lesson=lesson, parent_lesson=before, base_lesson=base_lesson)
    if earlier is None:
        return measured
    told = rows_alone(spec.evaluate)
    known = report("evaluate parent lessons", EvaluateInputs(checkpoint=parent.checkpoint, dataset=earlier), told=told)
    kept = EvaluateInputs(checkpoint=candidate, dataset=earlier, baseline=known)
    return replace(measured, lessons=report("evaluate 2 lessons", kept, told=told), parent_lessons=known)


def judge(
    spec: ProjectSpec, candidate: Checkpoint, *, measured: Measured, traffic: Traffic, ctx: RunContext
) -> Verdict:
    """What the gate says, recorded with all that it was decided from; what cannot be read holds, as in `measure`."""
    asked = measured.asked
    try:
        business = figures_of_traffic(spec.kpis, traffic, ctx=ctx, learn=spec.learn)
        found = rehearing.gather(spec.gate, asked, business=business, extra=measured.extra, ctx=ctx)
    except Exception as error:
        _note_outage(spec, candidate, during="judging", error=error, ctx=ctx)
        raise
    objections = registration.objections(spec.gate, candidate.id, reports=rehearing.made(asked), ledger=ctx.ledger)
    verdict = decide(spec.gate, found, objections=objections)
    heard = rehearing.heard(spec.gate, found, reports=asked, business=business, extra=measured.extra)
    registry.note_verdict(verdict, candidate, heard=heard, ctx=ctx)
    for sentence in verdict.sentences():
        ctx.progress.say(f"gate: {sentence}")
    return verdict


def _note_outage(spec: ProjectSpec, candidate: Checkpoint, *, during: str, error: Exception, ctx: RunContext) -> None:
    """An evaluation that failed is invalid, and holds."""
    problem = error.sentence("en") if isinstance(error, SeekloopError) else type(error).__name__
    objection = Objection(code="gates.evaluator_failed", facts={"during": during, "problem": problem})
    verdict = decide(spec.gate, {}, objections=[objection])
    registry.note_verdict(verdict, candidate, heard=rehearing.heard(spec.gate, {}, reports={}), ctx=ctx)
