"""Knowledge distillation: a smaller student begins as a part of its parent and learns what a teacher says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedConfig

from seekloop.artifact.kinds import Checkpoint
from seekloop.compress.method import Made, Work
from seekloop.compress.smaller import gate
from seekloop.compress.smaller.cut import cut, influential, spaced
from seekloop.compress.smaller.endpoint import Endpointed
from seekloop.compress.smaller.importance import measure
from seekloop.compress.smaller.making import answered, context_of, flat, lesson_of, run_key, said, written
from seekloop.compress.smaller.rows import open_rows, views_of
from seekloop.compress.smaller.shape import Shape, Shares, narrowed
from seekloop.compress.smaller.spec import CheckpointTeacher, DistilMethod, EndpointTeacher, ParentTeacher, StudentSpec
from seekloop.compress.smaller.teacher import Checkpointed, Teacher, plain_model
from seekloop.compress.smaller.training import check_memory, taught
from seekloop.model.codec import Codec, View
from seekloop.runtime import models
from seekloop.runtime.train.objectives.distil import Hidden
from seekloop.system import digests
from seekloop.system.errors import ModelError

__all__ = ["make", "student_shape"]


def make(method: DistilMethod, work: Work) -> Made:
    """The student.

    Raises:
        ModelError: no rows, no such shape, too little memory, a teacher that cannot teach, or the student is further
            from it than is allowed.
        TrainError: training stopped being right, or was told to stop with its work saved.
        DataError: the endpoint cannot be reached.
    """
    ctx = work.ctx
    rows = open_rows(work, what=method.type, at_most=method.rows)
    codec = models.codec_of(work.parent, store=ctx.store)
    parent = plain_model(work.parent, work)
    shape = student_shape(method.student, parent.config, root=ctx.root)
    said(Shape.of(parent.config), shape, progress=ctx.progress)
    check_memory(parent, method.training)
    teacher = _teacher(method, parent, codec=codec, work=work)
    context = context_of(parent)
    lesson_rows = answered(rows.calibration, teacher, whose=method.answers, work=work)
    calibration = flat(views_of(lesson_rows, codec, context=context))
    made = _student(parent, shape, calibration=calibration, method=method, pad=codec.pad_id, work=work)
    known = teacher.targets(calibration)
    lesson, counts = lesson_of(
        rows,
        teacher,
        whose=method.answers,
        loss=method.loss,
        hidden=_hidden(method, made, teacher=teacher, parent=parent),
        work=work,
        codec=codec,
        context=context,
    )
    facts: dict[str, Any] = {"shape": asdict(shape), "layers": list(made.layers), "rows": dict(counts)}
    facts["kl_untaught"] = round(gate.kl(made.model, known, pad=codec.pad_id), 4)
    key = run_key(method, work)
    model, state = taught(made.model, lesson, spec=method.training, codec=codec, key=key, ctx=ctx)
    lesson.objective.detach(model)
    found = gate.check(model, known, allow=method.allow, parent=work.parent.id, pad=codec.pad_id)
    return written(
        model,
        work,
        facts={**facts, "kl": round(found, 4)},
        trained_tokens=state.labelled,
        teacher=method.teacher.id if method.teacher.type == "checkpoint" else None,
    )


def student_shape(student: StudentSpec, config: PreTrainedConfig, *, root: Path) -> Shape:
    """The shape that a spec asks for, of a parent with `config`.

    Raises:
        ModelError: the parent has no such part, or the config is of another family or head width.
    """
    if student.config is None:
        gone = Shares(
            layers=1 - student.depth, channels=1 - student.width, heads=1 - student.heads, hidden=1 - student.hidden
        )
        return narrowed(config, gone)
    path = root / student.config
    if not path.is_file():
        raise ModelError("compress.student_config", problem="no such file", where=path)
    told, own = json.loads(path.read_text("utf-8")), config.to_dict()
    for name in ("model_type", "vocab_size"):
        if told.get(name) != own[name]:
            raise ModelError("compress.student_config", problem=f"{name} must be {own[name]}", where=path)
    wanted = type(config).from_dict(told)
    widths = [one.to_dict().get("head_dim") or one.hidden_size // one.num_attention_heads for one in (wanted, config)]
    if widths[0] != widths[1]:
        raise ModelError("compress.student_config", problem=f"head_dim must be {widths[1]}", where=path)
    return Shape.of(wanted)


@dataclass(frozen=True, kw_only=True)
class _Student:
    model: nn.Module
    layers: tuple[int, ...]
    """Of the parent, that were copied."""


def _student(
    parent: nn.Module, shape: Shape, *, calibration: Sequence[View], method: DistilMethod, pad: int, work: Work
) -> _Student:
    by = measure(
        parent,
        calibration,
        by=method.importance,
        budget=method.training.tokens_per_batch,
        pad=pad,
        progress=work.ctx.progress,
    )
    whole = Shape.of(parent.config)
    if method.student.layers == "spaced":
        layers = spaced(whole.layers, shape.layers)
    else:
        layers = influential(by, shape.layers)
    return _Student(model=cut(parent, shape, by=by, layers=layers), layers=layers)


def _teacher(method: DistilMethod, parent: nn.Module, *, codec: Codec, work: Work) -> Teacher:
    told = method.teacher
    if isinstance(told, EndpointTeacher):
        return Endpointed(spec=told, codec=codec, k=method.loss.top_k, ctx=work.ctx)
    own = isinstance(told, ParentTeacher)
    checkpoint = work.ctx.store.open(told.id, Checkpoint) if isinstance(told, CheckpointTeacher) else work.parent
    theirs = models.codec_of(checkpoint, store=work.ctx.store)
    model: nn.Module | None = parent if own else None
    if not own and theirs.digest == codec.digest and checkpoint.form in ("full", "adapter"):
        model = models.load(checkpoint, store=work.ctx.store)
    if model is None:
        if method.answers == "rows" or method.loss.hidden is not None:
            raise ModelError("compress.answers_only", id=digests.short(checkpoint.id))
        work.ctx.progress.say("the teacher has other tokens, or runs in an engine of its own: its answers are learned")
    return Checkpointed(
        checkpoint=checkpoint,
        codec=theirs,
        model=model,
        loss=method.loss,
        max_tokens=method.max_tokens,
        budget=method.training.tokens_per_batch,
        ctx=work.ctx,
    )


def _hidden(method: DistilMethod, made: _Student, *, teacher: Teacher, parent: nn.Module) -> Hidden | None:
    """Each layer of the student is drawn to what its successor was given in the parent."""
    if method.loss.hidden is None or teacher.model is None:
        return None
    theirs = Shape.of(teacher.model.config).layers
    if teacher.model is parent:
        ends = [*(layer - 1 for layer in made.layers[1:]), theirs - 1]
    else:
        count = len(made.layers)
        ends = [(place + 1) * theirs // count - 1 for place in range(count)]
    return Hidden(teacher=teacher.model, pairs=tuple(enumerate(ends)), weight=method.loss.hidden.weight)
