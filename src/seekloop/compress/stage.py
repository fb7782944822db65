"""Stage 4, Checkpoint -> smaller or plainer Checkpoint: make the form, check it against its source, commit it."""

from __future__ import annotations

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.compress.method import Making, Work
from seekloop.compress.methods import making
from seekloop.compress.parity import gate
from seekloop.compress.preflight import apply, check_memory, say_rounded_again
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.runtime import models
from seekloop.runtime.train.classifiers import read_classes
from seekloop.system import digests
from seekloop.system.errors import ModelError

__all__ = ["form_by", "run"]


def run(spec: CompressSpec, inputs: CompressInputs, *, ctx: RunContext) -> Checkpoint:
    """Make one compressed form of a checkpoint. Equal inputs give equal bytes.

    Raises:
        ModelError: the method does not apply to this checkpoint, or what it made is not the same model.
        GateRefused: what the form says is too far from what its parent says.
        ArtifactError: the checkpoint, or its base, is not in the store, or the disk is full.
    """
    return form_by(making(spec.method), spec, inputs=inputs, ctx=ctx)


def form_by(make: Making, spec: CompressSpec, *, inputs: CompressInputs, ctx: RunContext) -> Checkpoint:
    """As `run`, by any maker: it is held to the same gate.

    Raises:
        As `run`.
    """
    parent = inputs.checkpoint
    if spec.method.type != "merge" and read_classes(ctx.store.folder(parent.id)) is not None:
        raise ModelError("compress.classifier", id=digests.short(parent.id))
    apply(spec, parent, store=ctx.store, progress=ctx.progress)
    check_memory(spec, parent, store=ctx.store)
    say_rounded_again(spec, parent, store=ctx.store, progress=ctx.progress)
    with ctx.job("compress", spec) as job:
        work = Work(parent=parent, dataset=inputs.dataset, folder=job.draft.folder, ctx=ctx)
        made = make(work)
        models.codec_of(parent, store=ctx.store).save(job.draft.folder)
        parity = gate.check(work, made, spec=spec.parity)
        ctx.progress.say(parity.sentence())
        roots = {"base": parent.parents["base"]} if "base" in parent.parents else {}
        if made.read_dataset and inputs.dataset is not None:
            roots["dataset"] = inputs.dataset.id
        return job.commit(
            Checkpoint(
                parents={"checkpoint": parent.id, **roots, **made.parents},
                made_by=job.origin,
                form=made.form,
                family=parent.family,
                precision=made.precision,
                parameters=made.parameters,
                trained_tokens=parent.trained_tokens + made.trained_tokens,
            ),
            cost=parity.cost(),
        )
