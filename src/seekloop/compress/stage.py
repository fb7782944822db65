"""Stage 4, Checkpoint -> smaller or plainer Checkpoint: make the form, check it against its source, commit it."""

from __future__ import annotations

from seekloop.artifact.context import Job, RunContext
from seekloop.artifact.kinds import Checkpoint, Form
from seekloop.compress.gguf_export import write_gguf
from seekloop.compress.merge import write_merged
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod, MergeMethod
from seekloop.runtime import models
from seekloop.runtime.train.classifiers import read_classes
from seekloop.system import digests
from seekloop.system.errors import ModelError

__all__ = ["run"]


def run(spec: CompressSpec, inputs: CompressInputs, *, ctx: RunContext) -> Checkpoint:
    """Make one compressed form of a checkpoint. Equal inputs give equal bytes.

    Raises:
        ModelError: the method does not apply to this checkpoint, or what it made is not the same model.
        ArtifactError: the checkpoint, or its base, is not in the store, or the disk is full.
    """
    parent = inputs.checkpoint
    if read_classes(ctx.store.folder(parent.id)) is not None:
        raise ModelError("compress.classifier", id=digests.short(parent.id))
    with ctx.job("compress", spec) as job:
        match spec.method:
            case MergeMethod():
                if parent.form != "adapter":
                    raise ModelError("compress.nothing_to_merge", id=digests.short(parent.id), form=parent.form)
                parameters = write_merged(parent, job.draft.folder, store=ctx.store, progress=ctx.progress)
                made = _made(parent, job, form="full", precision="f32", parameters=parameters)
            case GgufMethod() as method:
                path = job.path("model.gguf")
                parameters = write_gguf(parent, path, method=method, store=ctx.store, progress=ctx.progress)
                made = _made(parent, job, form="gguf", precision=method.precision, parameters=parameters)
        models.codec_of(parent, store=ctx.store).save(job.draft.folder)
        return job.commit(made)


def _made(parent: Checkpoint, job: Job, *, form: Form, precision: str, parameters: int) -> Checkpoint:
    base = {"base": parent.parents["base"]} if "base" in parent.parents else {}
    return Checkpoint(
        parents={"checkpoint": parent.id, **base},
        made_by=job.origin,
        form=form,
        family=parent.family,
        precision=precision,
        parameters=parameters,
        trained_tokens=parent.trained_tokens,
    )
