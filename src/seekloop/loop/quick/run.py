"""Quick mode: train one epoch on growing samples, measure each, and say whether the dataset is worth the full run.

Trainings and reports are artifacts, and steps in the ledger: killed and called again, what was done is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Report
from seekloop.evaluate import stage as evaluate
from seekloop.evaluate.scoring import Scored, read_answers
from seekloop.evaluate.spec import EvaluateInputs
from seekloop.loop.quick.samples import sample
from seekloop.loop.quick.spec import QuickSpec
from seekloop.loop.quick.verdict import Point, Verdict, verdict
from seekloop.loop.steps import Steps
from seekloop.metrics import learning_curve, significance
from seekloop.metrics.learning_curve import Curve
from seekloop.system import digests, seeds
from seekloop.system.errors import UsageError
from seekloop.tune import stage as tune
from seekloop.tune.spec import TuneInputs

__all__ = ["EVENT", "Quick", "quick"]

EVENT = "quick.finished"
Scores = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Quick:
    """What quick mode found."""

    figure: str
    points: tuple[Point, ...]
    """By growing rows."""
    before: Point | None
    """The checkpoint before training; None: not measured."""
    curves: tuple[Curve, ...]
    verdict: Verdict
    left_out: tuple[float, ...]
    """Shares that did not fit the minutes."""

    def as_json(self) -> dict[str, Any]:
        """Everything but the curves, as plain values."""
        value = asdict(self)
        del value["curves"]
        return value


def quick(spec: QuickSpec, inputs: TuneInputs, *, ctx: RunContext) -> Quick:
    """Train on growing samples of the dataset, and foretell the full run from them.

    Raises:
        UsageError: two samples do not fit the minutes, or are the same rows.
        DataError: nothing to measure on; or as the two stages raise.
    """
    return _Quick(spec, inputs, ctx=ctx).run()


class _Quick:
    def __init__(self, spec: QuickSpec, inputs: TuneInputs, *, ctx: RunContext) -> None:
        self.spec, self.inputs, self.ctx = spec, inputs, ctx
        self.steps = Steps(ctx, f"quick on {digests.short(inputs.dataset.id)}")
        splits = inputs.dataset.splits
        fits = splits.get(spec.evaluate.split, 0) or not splits.get("test", 0)
        self.measure = spec.evaluate if fits else spec.evaluate.model_copy(update={"split": "test"})
        if not fits:
            ctx.progress.say(f"no {spec.evaluate.split} rows: measured on the test rows")
        self.tune = spec.tune.model_copy(update={"epochs": 1, "max_steps": None})

    def run(self) -> Quick:
        spec = self.spec
        before = self._measured("before", self.inputs.checkpoint, rows=0, seconds=0.0) if spec.untrained else None
        found: list[tuple[Point, Scores]] = []
        left_out: tuple[float, ...] = ()
        for at, share in enumerate(spec.shares):
            spent = sum(point.seconds for point, _ in [*([before] if before else []), *found])
            coming = found[-1][0].seconds * share / spec.shares[at - 1] if found else 0.0
            if spent + coming > spec.minutes * 60:
                left_out = spec.shares[at:]
                self.ctx.progress.say(f"{share:.0%} of the rows would take {coming:,.0f} s more: left out")
                break
            found.append(self._trained(share, after=found[-1][0].rows if found else 0))
        points = [point for point, _ in found]
        if len(points) < 2:
            raise UsageError("loop.quick_minutes", minutes=f"{spec.minutes:g}", seconds=f"{points[0].seconds:.0f}")
        scores = np.stack([row for _, row in found])
        curves = learning_curve.curves(
            [point.rows for point in points], scores, seed=seeds.derive(self.ctx.seed, "loop", "quick")
        )
        told = verdict(
            points,
            curves,
            figure=self._figure,
            full=self.inputs.dataset.splits["train"],
            least_gain=spec.least_gain,
            goal=spec.goal,
            before=None if before is None else before[0],
            learned=None if before is None else self._learned(scores[-1], before[1]),
        )
        return self._finished(
            Quick(
                figure=self._figure,
                points=tuple(points),
                before=None if before is None else before[0],
                curves=tuple(curves),
                verdict=told,
                left_out=left_out,
            )
        )

    def _trained(self, share: float, *, after: int) -> tuple[Point, Scores]:
        name = f"{share:.4g} of the rows"
        part = self.steps.made(f"sample {share:.4g}", lambda: sample(self.inputs.dataset, share=share, ctx=self.ctx))
        if part.splits["train"] <= after:
            raise UsageError("loop.quick_same_rows", rows=after)
        inputs = TuneInputs(dataset=part, checkpoint=self.inputs.checkpoint)
        tuned = self.steps.do(f"tune {name}", tune.run, spec=self.tune, inputs=inputs)
        return self._measured(name, tuned, rows=part.splits["train"], seconds=self.steps.seconds[f"tune {name}"])

    def _measured(self, name: str, checkpoint: Checkpoint, *, rows: int, seconds: float) -> tuple[Point, Scores]:
        inputs = EvaluateInputs(checkpoint=checkpoint, dataset=self.inputs.dataset)
        report: Report = self.steps.do(f"evaluate {name}", evaluate.run, spec=self.measure, inputs=inputs)
        self._figure, scores = _scores(read_answers(self.ctx.store.path(report.id, "answers.jsonl")))
        interval = _interval(scores, seed=seeds.derive(self.ctx.seed, "loop", "quick"))
        point = Point(
            rows=rows,
            value=round(float(scores.mean()), 10),
            low=round(interval.low, 10),
            high=round(interval.high, 10),
            n=len(scores),
            seconds=round(seconds + self.steps.seconds[f"evaluate {name}"], 3),
            checkpoint=checkpoint.id,
            report=report.id,
        )
        self.ctx.progress.say(f"{rows:,} rows: {self._figure} {point.value:.3f} [{point.low:.3f}, {point.high:.3f}]")
        return point, scores

    def _learned(self, after: Scores, before: Scores) -> float:
        seed = seeds.derive(self.ctx.seed, "loop", "quick")
        if _is_share(after) and _is_share(before):
            won, lost = int((after > before).sum()), int((after < before).sum())
            return significance.paired_share_difference(won, lost, n=len(after)).low
        return significance.bootstrap_mean(list(after - before), seed=seed).low

    def _finished(self, found: Quick) -> Quick:
        last = found.points[-1].checkpoint
        self.ctx.ledger.note(EVENT, last, facts={"spec": self.spec.digest, **found.as_json()}, actor=self.ctx.actor)
        return found


def _scores(answers: Sequence[Scored]) -> tuple[str, Scores]:
    """The figure that tells most, and each row's part in it, shape (n,)."""
    if answers[0].label is not None:
        return "accuracy", np.array([float(one.correct) for one in answers])
    if any(one.rougeL is not None for one in answers):
        return "rougeL", np.array([one.rougeL or 0.0 for one in answers])
    return "exact_match", np.array([float(one.exact) for one in answers])


def _is_share(scores: Scores) -> bool:
    return bool(np.isin(scores, (0.0, 1.0)).all())


def _interval(scores: Scores, *, seed: int) -> significance.Interval:
    if _is_share(scores):
        return significance.wilson(int(scores.sum()), len(scores))
    return significance.bootstrap_mean(list(scores), seed=seed)
