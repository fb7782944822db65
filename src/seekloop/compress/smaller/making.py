"""What pruning and distilling share: the parent opened, a lesson from rows and a teacher, the result written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from torch import nn

from seekloop.artifact.rows import Row
from seekloop.compress.method import Made, Work
from seekloop.compress.smaller.rows import Rows, views_of
from seekloop.compress.smaller.shape import Shape
from seekloop.compress.smaller.spec import AnswersTeacher, DistilLoss
from seekloop.compress.smaller.teacher import Teacher
from seekloop.compress.smaller.training import Lesson
from seekloop.model.codec import Codec, View
from seekloop.runtime.train.objectives.distil import Distil, Hidden
from seekloop.runtime.weights import save_model
from seekloop.system import digests, provenance
from seekloop.system.errors import ModelError
from seekloop.system.progress import Progress
from seekloop.system.spec import Spec

__all__ = ["answered", "context_of", "flat", "lesson_of", "run_key", "said", "written"]

_report = "smaller.json"


def run_key(spec: Spec, work: Work) -> str:
    """Everything that decides what a run does, as part of a file name."""
    dataset = work.dataset.id if work.dataset else ""
    parts = [spec.digest, work.parent.id, dataset, work.ctx.seed, provenance.code_version()]
    return digests.of_json(parts).removeprefix("sha256:")[:16]


def context_of(model: nn.Module) -> int:
    """Tokens that the model was made for."""
    return int(model.config.to_dict()["max_position_embeddings"])


def flat(rows: Sequence[Sequence[View]]) -> list[View]:
    """The views of all rows."""
    return [view for views in rows for view in views]


def answered(rows: Sequence[Row], teacher: Teacher, *, whose: AnswersTeacher, work: Work) -> list[Row]:
    """The rows, each with an answer to learn; what the teacher came to no end with is left out, aloud."""
    open_ones = [row for row in rows if whose == "teacher" or row.messages[-1].role != "assistant"]
    if not open_ones:
        return list(rows)
    theirs = {row.id: answer for row, answer in zip(open_ones, teacher.answers(open_ones), strict=True)}
    lost = [row.id for row in open_ones if theirs[row.id] is None]
    if len(lost) == len(rows):
        raise ModelError("compress.no_answers", count=len(rows))
    if lost:
        work.ctx.progress.say(
            f"{len(lost)} of {len(rows)} rows are left out (answer_unfinished): the teacher came to no end, "
            f"{', '.join(lost[:5])}"
        )
    work.ctx.progress.say(f"{len(open_ones) - len(lost)} rows are learned with the teacher's answers")
    found = [theirs.get(row.id, row) for row in rows]
    return [row for row in found if row is not None]


def lesson_of(
    rows: Rows,
    teacher: Teacher,
    *,
    whose: AnswersTeacher,
    loss: DistilLoss,
    hidden: Hidden | None,
    work: Work,
    codec: Codec,
    context: int,
) -> tuple[Lesson, Mapping[str, int]]:
    """Views and targets of train and validation rows, and how many rows of each there are."""
    train = answered(rows.train, teacher, whose=whose, work=work)
    validation = answered(rows.validation, teacher, whose=whose, work=work) if rows.validation else []
    views = views_of(train, codec, context=context)
    held = flat(views_of(validation, codec, context=context))
    targets = teacher.targets([*flat(views), *held], temperature=loss.temperature)
    objective = Distil(
        targets=targets,
        divergence=loss.divergence,
        temperature=loss.temperature,
        share=loss.share,
        hidden=hidden,
    )
    counts = {"train": len(train), "validation": len(validation), "answer_unfinished": len(rows.train) - len(train)}
    return Lesson(train=views, validation=held, objective=objective), counts


def said(before: Shape, after: Shape, *, progress: Progress) -> None:
    """Say what the cut came to: configs allow not every number."""
    changes = [
        f"{name} {old} -> {new} (-{1 - new / old:.0%})"
        for (name, old), new in zip(asdict(before).items(), asdict(after).values(), strict=True)
        if old != new
    ]
    progress.say("shape: " + (", ".join(changes) or "as it is"))


def written(
    model: nn.Module, work: Work, *, facts: Mapping[str, Any], trained_tokens: int, teacher: str | None = None
) -> Made:
    """The files: a plain transformers model, and `smaller.json` with what was done."""
    save_model(model, work.folder)
    text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
    (work.folder / _report).write_text(text, "utf-8")
    return Made(
        form="full",
        precision="f32",
        parameters=sum(value.numel() for value in model.parameters()),
        read_dataset=True,
        trained_tokens=trained_tokens,
        parents={"teacher": teacher} if teacher else {},
    )
