"""A run's settings from its spec: context, method, steps, the loop's numbers, and how validation rows are looked at."""

from __future__ import annotations

import json

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec
from seekloop.runtime.answers import AnswerCheck
from seekloop.runtime.train.batching import StepPlan
from seekloop.runtime.train.loop import LoopConfig
from seekloop.runtime.train.methods.method import Method
from seekloop.runtime.train.objectives.objective import Objective
from seekloop.runtime.train.rounded import Rounded
from seekloop.runtime.train.validating import Validation
from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.tune.methods import build as methods
from seekloop.tune.objectives import build as objectives
from seekloop.tune.prepare import Prepared
from seekloop.tune.spec import TuneInputs, TuneSpec

__all__ = ["context_length", "loop_config", "method_of", "step_plan", "validation"]

_warmup = 0.1
"""Share of the steps, where the spec gives neither share nor number."""


def context_length(spec: TuneSpec, base: Checkpoint, *, codec: Codec, store: Store) -> int:
    """Tokens that the model was made for, less those that the method takes for itself."""
    config = json.loads(store.path(base.id, "config.json").read_text("utf-8"))
    length = int(config.get("max_position_embeddings", codec.card.context_length))
    return length - methods.virtual_tokens(spec.method)


def method_of(spec: TuneSpec, inputs: TuneInputs, *, codec: Codec, ctx: RunContext) -> Method:
    """The method of a run.

    Raises:
        TrainError: the checkpoint cannot be trained that way.
    """
    method = methods.build(
        spec.method,
        inputs.checkpoint,
        dataset=inputs.dataset,
        seed=ctx.seed,
        card=codec.card,
        store=ctx.store,
        logger=ctx.logger,
    )
    return method if spec.quantise_for is None else Rounded(inner=method, target=spec.quantise_for.target)


def loop_config(spec: TuneSpec, prepared: Prepared, *, codec: Codec, objective: Objective) -> LoopConfig:
    """The loop's numbers; a rate that the spec leaves open is the family's for the method."""
    usual = methods.default_rate(spec.method, codec.card) * objectives.rate_factor(prepared.spec)
    schedule = spec.schedule
    return LoopConfig(
        learning_rate=spec.learning_rate or usual,
        objective=objective,
        schedule=schedule.type,
        warmup=_warmup if schedule.warmup_ratio is None else schedule.warmup_ratio,
        warmup_steps=schedule.warmup_steps,
        final_learning_rate=schedule.final_learning_rate,
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm,
        tokens_per_batch=spec.tokens_per_batch,
        pad=codec.pad_id,
        keep=spec.keep,
        precision=spec.compute.precision,
        checkpointing=spec.compute.checkpointing,
        save_every_steps=spec.save_every_steps,
        save_every_s=spec.save_every_s,
        rate_factors=methods.rate_factors(spec.method),
        save_last=spec.optimizer.save,
    )


def validation(spec: TuneSpec, dataset: Dataset, *, prepared: Prepared, codec: Codec, seed: int) -> Validation:
    """When and how to look at the validation rows.

    Raises:
        TrainError: the run is to go by them, and there are none.
    """
    told = spec.validation
    if (told.patience or spec.keep == "best") and not prepared.validation:
        raise TrainError("tune.no_validation", id=digests.short(dataset.id))
    check = None
    if told.metric == "answers" and prepared.validation:
        first_line = dataset.answer == "label_then_text"
        check = AnswerCheck.of(prepared.validation, codec, at_most=told.answers, seed=seed, first_line=first_line)
    return Validation(
        every_steps=told.every_steps,
        metric=told.metric,
        answers=check,
        patience=told.patience,
        min_delta=told.min_delta,
    )


def step_plan(spec: TuneSpec, prepared: Prepared, *, seed: int) -> StepPlan:
    """Which rows make which step."""
    return StepPlan(
        rows=prepared.train,
        later=prepared.later,
        rows_per_step=spec.rows_per_step,
        epochs=spec.epochs,
        max_steps=spec.max_steps,
        seed=seed,
    )
