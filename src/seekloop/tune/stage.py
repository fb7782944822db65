"""Stage 2, Dataset + Checkpoint -> Checkpoint: check, train, and commit what came out."""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from seekloop.artifact.context import Job, RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec
from seekloop.runtime import models
from seekloop.runtime.train import curves
from seekloop.runtime.train.classifiers import read_classes, write_classifier
from seekloop.runtime.train.loop import train
from seekloop.runtime.train.methods.method import Method, trainable
from seekloop.runtime.train.objectives.objective import Objective, Score
from seekloop.runtime.train.ranks import Ranks
from seekloop.runtime.train.reference import reference_scores
from seekloop.runtime.train.sharding import Shards, Split
from seekloop.runtime.train.state import State, Work, snapshots_in
from seekloop.runtime.train.zero import Zero
from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.system.memory import PeakMeter
from seekloop.system.progress import Silent
from seekloop.tune import zero_config
from seekloop.tune.loop_settings import context_length, loop_config, method_of, step_plan, validation
from seekloop.tune.method_spec import FullMethod, LoraMethod
from seekloop.tune.methods import build as methods
from seekloop.tune.prepare import Prepared, prepare
from seekloop.tune.record import compared, planned, run_key, unwatched
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.trackers.reporting import reporting

__all__ = ["run", "train_on"]

_moments_file = "optimizer.safetensors"


def run(spec: TuneSpec, inputs: TuneInputs, *, ctx: RunContext) -> Checkpoint:
    """Train a checkpoint on a dataset's train rows, together with the processes that this one was started with.

    Interrupted in any way and called again with the same arguments, it goes on where it was and gives the same id.
    Each process returns the same checkpoint; the first one writes it.

    Raises:
        TrainError: the run cannot be right, or stopped being right; nothing was committed.
        DataError: a row cannot be encoded.
        ModelError: the checkpoint cannot be trained.
        ArtifactError: an input is not in the store, or the disk is full.
    """
    with Ranks.open() as ranks:
        return _run(spec, inputs, ctx=ctx if ranks.first else replace(ctx, progress=Silent()), ranks=ranks)


def _run(spec: TuneSpec, inputs: TuneInputs, *, ctx: RunContext, ranks: Ranks) -> Checkpoint:
    parent = inputs.checkpoint
    if parent.form not in ("full", "adapter"):
        raise TrainError("tune.compressed", id=digests.short(parent.id), form=parent.form)
    base = models.base_of(parent, ctx.store)
    codec = models.codec_of(parent, store=ctx.store)
    method = method_of(spec, inputs, codec=codec, ctx=ctx)
    prepared = prepare(
        inputs.dataset,
        codec,
        spec=spec,
        context=context_length(spec, base, codec=codec, store=ctx.store),
        store=ctx.store,
        logger=ctx.logger,
        progress=ctx.progress,
    )
    _check_classifier(parent, prepared=prepared, store=ctx.store)
    if spec.quantise_for is not None and prepared.classes is not None:
        raise TrainError("tune.not_quantised_for", what="a classifier")
    foretold = planned(spec, inputs, base=base, prepared=prepared, ctx=ctx)
    meter = PeakMeter()
    model = models.load(parent, store=ctx.store, storage=methods.storage(spec.method), rounded=False)
    plan = step_plan(spec, prepared, seed=ctx.seed)
    split = _split(spec, base, ranks=ranks, ctx=ctx)
    work = Work(
        ctx.work / f"tune-{run_key(spec, inputs, ctx=ctx)}",
        moments=_moments(spec, parent, ctx=ctx),
        keeps_epochs=spec.optimizer.snapshots,
    )
    with (
        work.locked() if ranks.first else contextlib.nullcontext(),
        reporting(
            spec.report_to if ranks.first else (), key=work.folder.name, facts=_facts(spec, inputs, ctx=ctx), ctx=ctx
        ) as reports,
        ctx.job("tune", spec) as job,
    ):
        with ranks.in_turn():
            objective = prepared.objective(_reference(model, work, spec=spec, pad=codec.pad_id, ctx=ctx))
        state = train(
            model,
            method,
            plan=plan,
            config=replace(
                loop_config(spec, prepared, codec=codec, objective=objective),
                validation=validation(spec, inputs.dataset, prepared=prepared, codec=codec, seed=ctx.seed),
                observers=reports.observers,
            ),
            validation=prepared.validation,
            work=work,
            ctx=ctx,
            ranks=split or ranks,
        )
        if split:
            model = _whole(split, method, objective=objective, spec=spec, parent=parent, ctx=ctx)
        if not ranks.first:
            return ctx.store.open(ranks.text_of_first(""), Checkpoint)
        job.earlier_s = state.earlier_s
        job.spec = _settled(spec, state)
        took = compared(foretold, memory=meter.peak_bytes(), state=state, ctx=ctx)
        parameters = _write_model(job, model, method=method, prepared=prepared, codec=codec)
        _write_state(job, state, prepared=prepared, steps=plan.steps)
        _write_asked_for(job, work, spec=spec, step=state.step)
        best = state.best if spec.keep == "best" else None
        parents = {"dataset": inputs.dataset.id, "base": base.id}
        final = job.commit(
            Checkpoint(
                parents=parents if parent.id == base.id else {**parents, "parent": parent.id},
                made_by=job.origin,
                form=method.form,
                family=parent.family,
                precision="f32",
                parameters=parameters,
                trained_tokens=parent.trained_tokens + (best.labelled if best else state.labelled),
            ),
            cost={**_cost(state), **took, "processes": ranks.count},
        )
        reports.artifact = final.id
        work.remove()
    ranks.text_of_first(final.id)
    return final


def _split(spec: TuneSpec, base: Checkpoint, *, ranks: Ranks, ctx: RunContext) -> Split | None:
    """How the model is split over the processes; None: each holds all of it.

    Raises:
        TrainError: what the method trains is not split.
        MissingPackage: DeepSpeed is asked for and not installed.
    """
    told = spec.compute
    if told.sharding == "none" and told.deepspeed is None:
        return None
    if not isinstance(spec.method, LoraMethod | FullMethod):
        raise TrainError("tune.not_split", what=f"method.type={spec.method.type}")
    if methods.storage(spec.method) is not None:
        raise TrainError("tune.not_split", what="a base in fewer bits")
    if ranks.count == 1:
        ctx.progress.say("the model is not split: this is the only process")
        return None
    if told.deepspeed is None:
        ctx.progress.say(f"fsdp: weights, gradients and moments are split over {ranks.count} processes")
        return Shards(ranks)
    hidden = json.loads(ctx.store.path(base.id, "config.json").read_text("utf-8"))["hidden_size"]
    config = zero_config.filled(
        told.deepspeed, processes=ranks.count, max_grad_norm=spec.max_grad_norm, hidden=int(hidden)
    )
    ctx.progress.say(f"deepspeed: ZeRO {config['zero_optimization']['stage']} over {ranks.count} processes")
    return Zero(ranks, config)


def _whole(
    split: Split, method: Method, *, objective: Objective, spec: TuneSpec, parent: Checkpoint, ctx: RunContext
) -> nn.Module:
    """The trained model in one piece, in the first process; in the others an empty module."""
    if not split.ranks.first:
        split.gather(None)
        return nn.Module()
    model = models.load(parent, store=ctx.store, storage=methods.storage(spec.method), rounded=False)
    method.apply(model, seed=ctx.seed)
    objective.attach(model, seed=ctx.seed)
    split.gather(trainable(model))
    return model


def _reference(model: nn.Module, work: Work, *, spec: TuneSpec, pad: int, ctx: RunContext) -> Score:
    """The model as it is before training, for objectives that are measured against it."""
    file = work.folder / "reference.jsonl"
    return lambda views: reference_scores(
        model, views, file=file, tokens_per_batch=spec.tokens_per_batch, pad=pad, ctx=ctx
    )


def _write_model(job: Job, model: nn.Module, *, method: Method, prepared: Prepared, codec: Codec) -> int:
    """The checkpoint's weights, a classifier's head among them, and its codec; returns how many weights there are."""
    parameters = method.export(model, job.draft.folder)
    if prepared.classes is not None:
        parameters = write_classifier(model, job.draft.folder, classes=prepared.classes, pad=codec.pad_id)
    codec.save(job.draft.folder)
    return parameters


def _write_asked_for(job: Job, work: Work, *, spec: TuneSpec, step: int) -> None:
    """What the spec wants kept beside the weights: the optimizer's state, and the adapter after each epoch."""
    if spec.optimizer.save:
        work.copy(step, "optimizer", to=job.path(_moments_file))
    for path in snapshots_in(work.folder):
        shutil.copyfile(path, job.path(path.name))


def _check_classifier(parent: Checkpoint, *, prepared: Prepared, store: Store) -> None:
    """A classifier stays one, with the classes that it has."""
    own, wanted = read_classes(store.folder(parent.id)), prepared.classes
    if own is not None and own != wanted:
        raise TrainError("tune.other_classes", id=digests.short(parent.id), classes=", ".join(own.names))


def train_on(spec: TuneSpec, inputs: TuneInputs, *, ctx: RunContext) -> Checkpoint:
    """`run` for a checkpoint that was trained before: its weights, under a schedule of its own.

    Raises:
        TrainError: the checkpoint is a base, which nothing was trained on here; and as for `run`.
    """
    if not inputs.checkpoint.trained_tokens:
        raise TrainError("tune.nothing_to_continue", id=digests.short(inputs.checkpoint.id))
    return run(spec, inputs, ctx=ctx)


def _facts(spec: TuneSpec, inputs: TuneInputs, *, ctx: RunContext) -> dict[str, Any]:
    """What trackers are told of a run before its first step."""
    return {
        "spec": spec.model_dump(mode="json"),
        "dataset": inputs.dataset.id,
        "checkpoint": inputs.checkpoint.id,
        "seed": ctx.seed,
    }


def _moments(spec: TuneSpec, parent: Checkpoint, *, ctx: RunContext) -> Mapping[str, Tensor] | None:
    """The optimizer's state that the parent holds, where it is asked for.

    Raises:
        TrainError: it holds none.
    """
    if not spec.optimizer.take:
        return None
    if _moments_file not in parent.files:
        raise TrainError("tune.no_moments", id=digests.short(parent.id))
    ctx.progress.say(f"optimizer: goes on with the state of {digests.short(parent.id)}")
    return load_file(ctx.store.path(parent.id, _moments_file))


def _settled(spec: TuneSpec, state: State) -> TuneSpec:
    """The spec with what `auto` came to in its place: whoever repeats it elsewhere computes alike."""
    checkpointing = "on" if state.choices["checkpointing"] else "off"
    compute = spec.compute.model_copy(update={"precision": state.choices["precision"], "checkpointing": checkpointing})
    return unwatched(spec).model_copy(update={"compute": compute})


def _write_state(job: Job, state: State, *, prepared: Prepared, steps: int) -> None:
    """`trainer_state.json` in Hugging Face's form, and its curves; nothing there depends on the day or on speed."""
    value = {
        "global_step": state.step,
        "num_input_tokens_seen": state.tokens,
        "labelled_tokens": state.labelled,
        "best_global_step": state.best.step if state.best else None,
        "best_metric": state.best.loss if state.best else None,
        "objective": prepared.spec.model_dump(mode="json"),
        "best_answers": state.best.answers if state.best else None,
        "stopped_early": state.step < steps,
        "too_long": list(prepared.too_long),
        "shortened": prepared.shortened,
        "log_history": state.history,
    }
    job.path("trainer_state.json").write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", "utf-8")
    job.path("curves.html").write_text(curves.page(state.history, title="Learning curves"), "utf-8")


def _cost(state: State) -> dict[str, float]:
    return {
        "steps": state.step,
        "tokens": state.tokens,
        "labelled_tokens": state.labelled,
        "train_s": round(state.seconds, 3),
        "tokens_per_s": round(state.tokens / state.seconds, 1) if state.seconds else 0.0,
        "tokens_per_s_slowest_step": round(min(state.speeds, default=0.0), 1),
        "tokens_per_s_median_step": round(statistics.median(state.speeds or [0.0]), 1),
    }
