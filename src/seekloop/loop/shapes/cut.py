"""A smaller model out of a larger one, its weights the most important of the parent's: no training."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import read_rows
from seekloop.compress.smaller import importance
from seekloop.compress.smaller.cut import cut as cut_model
from seekloop.compress.smaller.shape import Shape
from seekloop.loop.shapes.spec import CutSpec
from seekloop.runtime import models
from seekloop.runtime.weights import save_model

__all__ = ["CutInputs", "cut"]

_tokens_at_once = 1024


@dataclass(frozen=True, kw_only=True)
class CutInputs:
    """What is cut."""

    checkpoint: Checkpoint
    """In the full form."""
    dataset: Dataset
    """Train rows, for what is important."""


def cut(spec: CutSpec, inputs: CutInputs, *, ctx: RunContext) -> Checkpoint:
    """Commit the smaller model as a plain checkpoint.

    Raises:
        ModelError: the architecture is not known to be cut, or has no such shape.
    """
    parent = inputs.checkpoint
    model, codec = models.load(parent, store=ctx.store), models.codec_of(parent, store=ctx.store)
    whole = Shape.of(model.config)
    heads = spec.groups * (whole.heads // whole.groups)
    shape = replace(whole, layers=spec.layers, channels=spec.mlp, groups=spec.groups, heads=heads)
    rows = itertools.islice(read_rows(ctx.store.path(inputs.dataset.id, "train.jsonl")), spec.rows)
    views = [view for row in rows for view in codec.views(row)]
    by = importance.measure(model, views, by="taylor", budget=_tokens_at_once, pad=codec.pad_id, progress=ctx.progress)
    made = cut_model(model, shape, by=by)
    with ctx.job("compress", spec) as job:
        save_model(made, job.draft.folder)
        codec.save(job.draft.folder)
        return job.commit(
            Checkpoint(
                parents={"checkpoint": parent.id, "dataset": inputs.dataset.id},
                made_by=job.origin,
                form="full",
                family=parent.family,
                precision="f32",
                parameters=sum(value.numel() for value in made.parameters()),
                trained_tokens=parent.trained_tokens,
            )
        )
