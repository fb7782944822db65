"""Strategies that were trained, measured alike: what `strategies.choose` decides on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Report
from seekloop.evaluate.compare import measure, paired
from seekloop.loop import evidence, rehearing
from seekloop.loop.evidence import Measured
from seekloop.loop.gates import BUSINESS, FORGETTING, REMEMBERED, decide
from seekloop.loop.incremental_spec import Strategy
from seekloop.loop.project import ProjectSpec
from seekloop.loop.registry import Released
from seekloop.loop.steps import Steps
from seekloop.loop.strategies import EVENT, Choice, Difference, Tried

__all__ = ["Trial", "minutes_of", "record", "tried"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a strategy made."""

    strategy: Strategy
    tuned: Checkpoint
    candidate: Checkpoint
    """The same in the form that is served."""


def tried(
    trials: Sequence[Trial], spec: ProjectSpec, *, dataset: Dataset, parent: Released, steps: Steps
) -> list[Tried]:
    """Measure each as the gate will, and against the first.

    The reports are those that the round's evidence is made of: for the candidate that goes on they are found again.
    """
    store, found = steps.ctx.store, list[Tried]()
    first: Measured | None = None
    for trial in trials:
        measured = evidence.measure(spec, trial.candidate, dataset=dataset, parent=parent, steps=steps)
        own = spec.gate.model_copy(update={"rules": tuple(rule for rule in spec.gate.rules if rule.on != BUSINESS)})
        made = {one.id: store.receipt(one.id) for one in (trial.tuned, trial.candidate)}
        found.append(
            Tried(
                strategy=trial.strategy,
                candidate=trial.candidate.id,
                decision=decide(own, rehearing.gather(own, measured.asked, ctx=steps.ctx)).decision,
                reports={name: report.id for name, report in rehearing.made(measured.asked).items()},
                seconds=round(sum(receipt.wall_s for receipt in made.values()), 3),
                tokens=made[trial.tuned.id].cost.get("tokens", 0.0),
                differences=() if first is None else _differences(spec, measured, first=first, ctx=steps.ctx),
            )
        )
        first = first or measured
    return found


def record(choice: Choice, *, ctx: RunContext) -> None:
    """Record which strategy goes on, once, and say it."""
    known = (event.facts for event in ctx.ledger.events(kind=EVENT, subject=choice.chosen))
    if choice.facts not in known:
        ctx.ledger.note(EVENT, choice.chosen, facts=choice.facts, actor=ctx.actor)
    costs = ", ".join(f"{one.strategy} {one.decision} in {one.seconds:.0f} s" for one in choice.tried)
    ctx.progress.say(f"strategies: {costs}; goes on: {choice.strategy} ({choice.reason})")


def minutes_of(rows: int, spec: ProjectSpec, *, parent: Released, ctx: RunContext) -> float | None:
    """What training the base on `rows` rows would take, by the seconds that a row of the released model's own training

    took; None where that is not known.
    """
    cost = ctx.store.receipt(parent.tuned.id).cost
    each = parent.tuned.made_by.spec.get("rows_per_step")
    if not cost.get("steps") or "train_s" not in cost or not isinstance(each, int):
        return None
    steps = spec.tune.epochs * -(-rows // spec.tune.rows_per_step)
    seen = min(steps, spec.tune.max_steps or steps) * spec.tune.rows_per_step
    return seen * cost["train_s"] / (cost["steps"] * each) / 60


def _differences(spec: ProjectSpec, measured: Measured, *, first: Measured, ctx: RunContext) -> tuple[Difference, ...]:
    """The figures that the gate's rules name, of answers to the same rows; those of receipts are of no answers.

    For `forgetting_points`, the figure that they are made of.
    """
    reports, others = rehearing.made(measured.asked), rehearing.made(first.asked)
    found: list[Difference] = []
    for name, report in reports.items():
        only = {rule.figure for rule in spec.gate.rules if rule.on == name}
        found += _paired(report, others[name], on=name, only=only, spec=spec, ctx=ctx) if only else []
    return tuple(found)


def _paired(
    one: Report, other: Report, *, on: str, only: set[str], spec: ProjectSpec, ctx: RunContext
) -> list[Difference]:
    pairs, groups = paired(one, other, store=ctx.store)
    wanted = {*only, *REMEMBERED} if FORGETTING in only else only
    measured = measure(pairs, seed=ctx.seed, resamples=spec.evaluate.resamples, groups=groups, only=wanted)
    known = {figure.figure for figure in measured}
    remembered = next((name for name in REMEMBERED if name in known), None)
    found = []
    for figure in measured:
        if figure.figure not in {*only, remembered}:
            continue
        sign = 1.0 if figure.better == "higher" else -1.0
        low, high = sorted(sign * end for end in figure.ci)
        found.append(
            Difference(on=on, figure=figure.figure, difference=sign * figure.difference, ci=(low, high), n=figure.n)
        )
    return found
