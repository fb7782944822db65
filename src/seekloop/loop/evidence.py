"""What is measured of a candidate, and the verdict that follows."""

from __future__ import annotations

from dataclasses import dataclass

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Report, Traffic
from seekloop.evaluate import stage as evaluate
from seekloop.evaluate.spec import EvaluateInputs
from seekloop.loop import registry
from seekloop.loop.business import figures_of_traffic
from seekloop.loop.gates import Verdict, decide, evidence_of
from seekloop.loop.project import ProjectSpec
from seekloop.loop.registry import Released
from seekloop.loop.steps import Steps

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

    @property
    def reports(self) -> dict[str, Report]:
        """By name."""
        return {
            "frozen": self.frozen,
            "lesson": self.lesson,
            "parent_lesson": self.parent_lesson,
            "base_lesson": self.base_lesson,
        }


def measure(spec: ProjectSpec, candidate: Checkpoint, *, dataset: Dataset, parent: Released, steps: Steps) -> Measured:
    """Measure parent, base and candidate on what was frozen and on what the lesson kept from training."""

    def report(name: str, inputs: EvaluateInputs) -> Report:
        return steps.do(name, evaluate.run, spec=spec.evaluate, inputs=inputs)

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
    return Measured(frozen=frozen, lesson=lesson, parent_lesson=before, base_lesson=base_lesson)


def judge(
    spec: ProjectSpec, candidate: Checkpoint, *, measured: Measured, traffic: Traffic, ctx: RunContext
) -> Verdict:
    """What the gate says, recorded."""
    asked = {"frozen": measured.frozen, "lesson": measured.lesson}
    receipts = {name: ctx.store.receipt(report.id) for name, report in asked.items()}
    business = figures_of_traffic(spec.kpis, traffic, ctx=ctx)
    verdict = decide(spec.gate, evidence_of(asked, receipts=receipts, business=business))
    registry.note_verdict(verdict, candidate, ctx=ctx)
    return verdict
