"""Structured pruning: what matters least on calibration rows is taken away, and the rest is tuned again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from torch import nn

from seekloop.compress.method import Made, Work
from seekloop.compress.smaller import gate
from seekloop.compress.smaller.cut import cut, influential
from seekloop.compress.smaller.importance import measure
from seekloop.compress.smaller.making import context_of, flat, lesson_of, run_key, said, written
from seekloop.compress.smaller.rows import Rows, open_rows, views_of
from seekloop.compress.smaller.shape import Shape, Shares, narrowed
from seekloop.compress.smaller.spec import DistilLoss, PruneMethod, TrainingSpec
from seekloop.compress.smaller.teacher import Checkpointed, plain_model
from seekloop.compress.smaller.training import check_memory, taught
from seekloop.model.codec import Codec
from seekloop.runtime import models

__all__ = ["make"]


def make(method: PruneMethod, work: Work) -> Made:
    """The pruned form.

    Raises:
        ModelError: no rows, no such shape, too little memory, or the result is further from its parent than is allowed.
        TrainError: recovery stopped being right, or was told to stop with its work saved.
    """
    ctx = work.ctx
    rows = open_rows(work, what=method.type, at_most=method.rows)
    codec = models.codec_of(work.parent, store=ctx.store)
    parent = plain_model(work.parent, work)
    training = method.recover or TrainingSpec()
    shares = {name: value for name, value in method.model_dump().items() if name in Shares.__dataclass_fields__}
    shape = narrowed(parent.config, Shares(**shares))
    said(Shape.of(parent.config), shape, progress=ctx.progress)
    check_memory(parent, method.recover)
    loss = DistilLoss(share=method.teacher_share)
    teacher = Checkpointed(
        checkpoint=work.parent,
        codec=codec,
        model=parent,
        loss=loss,
        max_tokens=64,
        budget=training.tokens_per_batch,
        ctx=ctx,
    )
    calibration = flat(views_of(rows.calibration, codec, context=context_of(parent)))
    by = measure(
        parent,
        calibration,
        by=method.importance,
        budget=training.tokens_per_batch,
        pad=codec.pad_id,
        progress=ctx.progress,
    )
    known = teacher.targets(calibration)
    model = cut(parent, shape, by=by)
    facts: dict[str, Any] = {
        "shape": asdict(shape),
        "layers": list(influential(by, shape.layers)),
        "kl_unrecovered": round(gate.kl(model, known, pad=codec.pad_id), 4),
    }
    ctx.progress.say(f"KL to the parent before recovery: {facts['kl_unrecovered']} a token")
    tokens = 0
    if method.recover is not None:
        model, tokens, counts = _recovered(
            model, rows, teacher=teacher, method=method, codec=codec, loss=loss, work=work
        )
        facts["rows"] = counts
    found = gate.check(model, known, allow=method.allow, parent=work.parent.id, pad=codec.pad_id)
    return written(model, work, facts={**facts, "kl": round(found, 4)}, trained_tokens=tokens)


def _recovered(
    model: nn.Module,
    rows: Rows,
    *,
    teacher: Checkpointed,
    method: PruneMethod,
    codec: Codec,
    loss: DistilLoss,
    work: Work,
) -> tuple[nn.Module, int, dict[str, int]]:
    """The model tuned on the train rows, its labelled tokens, and the rows."""
    lesson, counts = lesson_of(
        rows, teacher, whose="rows", loss=loss, hidden=None, work=work, codec=codec, context=context_of(model)
    )
    spec = method.recover or TrainingSpec()
    model, state = taught(model, lesson, spec=spec, codec=codec, key=run_key(method, work), ctx=work.ctx)
    return model, state.labelled, dict(counts)
