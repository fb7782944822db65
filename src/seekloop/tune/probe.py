"""A few real steps of a planned run, on this machine and with its own rows: what memory and time will really be.

The first step is the heaviest of the run, so the memory peak is the run's; it is not timed, since it also prepares.
Three more, of a light, a middling and a heavy cost, are timed; the run is all its steps' costs at their pace. A fifth
repeats the first timed one behind a checkpoint, so what is longer is the time to write one.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.model.arithmetic import PASS_TOKENS
from seekloop.model.codec import Codec, View
from seekloop.model.memory import kernels
from seekloop.runtime import models
from seekloop.runtime.train.batching import StepPlan
from seekloop.runtime.train.loop import LoopConfig, train
from seekloop.runtime.train.methods.method import Method
from seekloop.runtime.train.state import Work
from seekloop.system.clock import Clock
from seekloop.system.errors import ModelError
from seekloop.system.memory import PeakMeter
from seekloop.system.progress import Task
from seekloop.tune.forecast import census, later_epochs
from seekloop.tune.loop_settings import context_length, loop_config, method_of, step_plan
from seekloop.tune.methods import build as methods
from seekloop.tune.prepare import Prepared, prepare
from seekloop.tune.record import Planned, run_key, write_plan
from seekloop.tune.spec import TuneInputs, TuneSpec

__all__ = ["Probed", "probe"]

_looked_at = 400
_scoring = 0.4
"""Cost of a validation token beside a trained one: a forward pass of about two and a half."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What was measured, and what follows for the run."""

    step_s: tuple[float, ...]
    """Seconds of the timed steps."""
    step_tokens: tuple[int, ...]
    steps: int
    """Of the whole run."""
    planned: Planned


@dataclass(frozen=True, kw_only=True)
class _Chosen(StepPlan):
    """Some of the steps of a plan, in an order of their own."""

    chosen: tuple[int, ...]

    @property
    def steps(self) -> int:
        """As many as were chosen."""
        return len(self.chosen)

    def views(self, step: int) -> list[View]:
        """The views of the chosen step."""
        return super().views(self.chosen[step])


@dataclass
class _Stopwatch:
    """Progress that keeps the moment of each step instead of showing it."""

    clock: Clock
    moments: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[Task]:
        """Note when the task began."""
        self.moments.append(self.clock.monotonic())
        yield self

    def advance(self, amount: float = 1.0) -> None:
        """Note when a step was done."""
        self.moments.append(self.clock.monotonic())

    def note(self, text: str) -> None:
        """Nothing to show."""

    def say(self, text: str) -> None:
        """Nothing to say."""


def probe(spec: TuneSpec, inputs: TuneInputs, *, ctx: RunContext) -> Probed:
    """Take the heaviest step of the run and three timed ones; nothing is kept but what was measured.

    What follows for the whole run is kept for its receipt.

    Raises:
        TrainError: the run cannot be right.
        DataError: a row cannot be encoded.
        ModelError: the checkpoint cannot be trained.
    """
    quiet = logging.Logger("probe", level=logging.ERROR)
    run = _prepared(spec, inputs, ctx=replace(ctx, logger=quiet))
    plan = run.plan
    costs = _costs(plan)
    order = sorted(costs, key=lambda step: (costs[step], step))
    timed = tuple(order[(2 * part + 1) * len(order) // 6] for part in range(3))
    watch = _Stopwatch(ctx.clock)
    meter = PeakMeter()
    with tempfile.TemporaryDirectory(prefix="seekloop-probe-") as folder:
        model = models.load(inputs.checkpoint, store=ctx.store, storage=methods.storage(spec.method))
        train(
            model,
            run.method,
            plan=_chosen(plan, (order[-1], *timed, timed[0])),
            config=replace(run.loop, save_every_steps=4, save_every_s=float("inf")),
            validation=(),
            work=Work(Path(folder)),
            ctx=replace(ctx, logger=quiet, progress=watch),
        )
    # What later shapes leave in caches is not yet there: two micro-batches a step.
    memory = meter.peak_bytes() + kernels(2 * plan.steps) - kernels(2 * min(5, plan.steps))
    *step_s, again = (after - before for before, after in itertools.pairwise(watch.moments[1:]))
    pace = sum(step_s) / sum(costs[step] for step in timed)
    computed = pace * (plan.steps * statistics.fmean(costs.values()) * run.later + run.validated * _scoring)
    written = _saves(spec, steps=plan.steps, seconds=computed) * max(0.0, again - step_s[0])
    planned = Planned(memory=memory, seconds=computed + written, how="probe")
    write_plan(planned, run_key(spec, inputs, ctx=ctx), ctx=ctx)
    return Probed(
        step_s=tuple(step_s),
        step_tokens=tuple(sum(len(view.ids) for view in plan.views(step)) for step in timed),
        steps=plan.steps,
        planned=planned,
    )


@dataclass(frozen=True, kw_only=True)
class _Run:
    plan: StepPlan
    loop: LoopConfig
    method: Method
    validated: int
    """Tokens that are validated in the whole run."""
    later: float
    """Share of the probe's pace that all epochs take, since it sees none but the first."""


def _prepared(spec: TuneSpec, inputs: TuneInputs, *, ctx: RunContext) -> _Run:
    codec = models.codec_of(inputs.checkpoint, store=ctx.store)
    base = models.base_of(inputs.checkpoint, ctx.store)
    prepared = prepare(
        inputs.dataset,
        codec,
        spec=spec,
        context=context_length(spec, base, codec=codec, store=ctx.store),
        store=ctx.store,
        logger=ctx.logger,
        progress=ctx.progress,
    )
    plan = step_plan(spec, prepared, seed=ctx.seed)
    epochs = -(-plan.steps // plan.steps_per_epoch)
    return _Run(
        plan=plan,
        # What the reference says of the rows changes no time and no memory.
        loop=loop_config(spec, prepared, codec=codec, objective=prepared.objective(_indifferent)),
        method=method_of(spec, inputs, codec=codec, ctx=ctx),
        later=_later(spec, base, prepared=prepared, codec=codec, ctx=ctx),
        validated=sum(len(view.ids) for view in prepared.validation) * epochs,
    )


def _later(spec: TuneSpec, base: Checkpoint, *, prepared: Prepared, codec: Codec, ctx: RunContext) -> float:
    config = json.loads(ctx.store.path(base.id, "config.json").read_bytes())
    try:
        return later_epochs(spec, config, card=codec.card, counted=census(prepared.train))
    except ModelError:
        return 1.0


def _indifferent(views: Sequence[View]) -> list[float]:
    return [0.0] * len(views)


def _chosen(plan: StepPlan, steps: tuple[int, ...]) -> _Chosen:
    return _Chosen(**vars(plan), chosen=steps)


def _saves(spec: TuneSpec, *, steps: int, seconds: float) -> int:
    """Checkpoints that are written on the way."""
    by_step = 0 if spec.save_every_steps is None else steps // spec.save_every_steps
    return max(by_step, int(seconds // max(spec.save_every_s, seconds / steps)))


def _costs(plan: StepPlan) -> dict[int, int]:
    """Cost of steps in tokens, a shared beginning once: of all, or of so many, evenly spread."""
    stride = max(1, plan.steps // _looked_at)
    return {step: _cost(plan.views(step)) for step in range(0, plan.steps, stride)}


def _cost(views: Sequence[View]) -> int:
    first = views[0].ids
    shared = min((_same(first, view.ids) for view in views), default=0)
    spared = (len(views) - 1) * shared
    return max(1, sum(len(view.ids) for view in views) - spared) + PASS_TOKENS


def _same(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    pairs = zip(one, other, strict=False)
    return next((place for place, pair in enumerate(pairs) if pair[0] != pair[1]), min(len(one), len(other)))
