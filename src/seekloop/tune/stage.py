"""Stage 2, Dataset + Checkpoint -> Checkpoint: check, train, and commit what came out."""

from __future__ import annotations

import json

from seekloop.artifact.context import Job, RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec
from seekloop.runtime import models
from seekloop.runtime.train.batching import StepPlan
from seekloop.runtime.train.loop import LoopConfig, train
from seekloop.runtime.train.state import State, Work
from seekloop.system import digests, provenance
from seekloop.system.errors import TrainError
from seekloop.tune.methods import build as methods
from seekloop.tune.prepare import Prepared, prepare
from seekloop.tune.spec import TuneInputs, TuneSpec

__all__ = ["run"]


def run(spec: TuneSpec, inputs: TuneInputs, *, ctx: RunContext) -> Checkpoint:
    """Train a checkpoint on a dataset's train rows.

    Interrupted in any way and called again with the same arguments, it goes on where it was and gives the same id.

    Raises:
        TrainError: the run cannot be right, or stopped being right; nothing was committed.
        DataError: a row cannot be encoded.
        ModelError: the checkpoint cannot be trained.
        ArtifactError: an input is not in the store, or the disk is full.
    """
    parent = inputs.checkpoint
    if parent.form == "gguf":
        raise TrainError("tune.compressed", id=digests.short(parent.id), form=parent.form)
    base = models.base_of(parent, ctx.store)
    codec = models.codec_of(parent, store=ctx.store)
    method = methods.build(spec.method, parent, card=codec.card, store=ctx.store, logger=ctx.logger)
    prepared = prepare(
        inputs.dataset,
        codec,
        spec=spec,
        context=_context(base, codec, store=ctx.store),
        store=ctx.store,
        logger=ctx.logger,
    )
    model = models.load(parent, store=ctx.store)
    work = Work(ctx.work / f"tune-{_key(spec, inputs, ctx=ctx)}")
    with work.locked(), ctx.job("tune", spec) as job:
        state = train(
            model,
            method,
            plan=_plan(spec, prepared, seed=ctx.seed),
            config=_loop_config(spec, codec),
            validation=prepared.validation,
            work=work,
            ctx=ctx,
        )
        job.earlier_s = state.earlier_s
        parameters = method.export(model, job.draft.folder)
        codec.save(job.draft.folder)
        _write_state(job, state, prepared=prepared)
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
            cost=_cost(state),
        )
        work.remove()
    return final


def _context(base: Checkpoint, codec: Codec, *, store: Store) -> int:
    """Tokens that the model was made for."""
    config = json.loads(store.path(base.id, "config.json").read_text("utf-8"))
    return int(config.get("max_position_embeddings", codec.card.context_length))


def _key(spec: TuneSpec, inputs: TuneInputs, *, ctx: RunContext) -> str:
    """Everything that decides what a run does, as the name of its work folder."""
    parts = [spec.digest, inputs.dataset.id, inputs.checkpoint.id, ctx.seed, provenance.code_version()]
    return digests.of_json(parts).removeprefix("sha256:")[:16]


def _loop_config(spec: TuneSpec, codec: Codec) -> LoopConfig:
    return LoopConfig(
        learning_rate=spec.learning_rate or methods.default_rate(spec.method, codec.card),
        schedule=spec.schedule,
        warmup=spec.warmup_ratio,
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm,
        tokens_per_batch=spec.tokens_per_batch,
        pad=codec.pad_id,
        keep=spec.keep,
        save_every_steps=spec.save_every_steps,
        save_every_s=spec.save_every_s,
    )


def _plan(spec: TuneSpec, prepared: Prepared, *, seed: int) -> StepPlan:
    return StepPlan(
        rows=prepared.train,
        rows_per_step=spec.rows_per_step,
        epochs=spec.epochs,
        max_steps=spec.max_steps,
        seed=seed,
    )


def _write_state(job: Job, state: State, *, prepared: Prepared) -> None:
    """`trainer_state.json` in Hugging Face's form; nothing in it depends on the day or the machine's speed."""
    value = {
        "global_step": state.step,
        "num_input_tokens_seen": state.tokens,
        "labelled_tokens": state.labelled,
        "best_global_step": state.best.step if state.best else None,
        "best_metric": state.best.loss if state.best else None,
        "too_long": list(prepared.too_long),
        "log_history": state.history,
    }
    job.path("trainer_state.json").write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", "utf-8")


def _cost(state: State) -> dict[str, float]:
    return {
        "steps": state.step,
        "tokens": state.tokens,
        "labelled_tokens": state.labelled,
        "train_s": round(state.seconds, 3),
        "tokens_per_s": round(state.tokens / state.seconds, 1) if state.seconds else 0.0,
    }
