"""Labels as classes: rows for a classifier."""

from __future__ import annotations

from collections.abc import Sequence

from seekloop.artifact.rows import Row
from seekloop.model.codec import View
from seekloop.runtime.train.classifiers import Classes, prompt_view
from seekloop.runtime.train.objectives.classify import Classify
from seekloop.system.errors import TrainError
from seekloop.tune.objective_spec import ClassifyObjective
from seekloop.tune.objectives.encoded import Encoded, Encoder

__all__ = ["encode_classify"]


def encode_classify(
    spec: ClassifyObjective, *, train: Sequence[Row], validation: Sequence[Row], encoder: Encoder
) -> Encoded:
    """Prompts without their answers, and the classes in sorted order.

    Raises:
        TrainError: a row has no label, or several where each is to have one; or all have the same.
    """
    rows = [*train, *validation]
    for row in rows:
        where = f"{row.source.file}:{row.source.line}"
        if not row.label:
            raise TrainError("tune.no_label", row=row.id, where=where)
        if spec.problem == "single_label" and len(row.labels) > 1:
            raise TrainError("tune.many_labels", row=row.id, count=len(row.labels), where=where)
    several = spec.problem == "multi_label" or any(len(row.labels) > 1 for row in rows)
    names = tuple(sorted({label for row in rows for label in _labels(row)}))
    if len(names) < 2:
        raise TrainError("tune.one_class", label=names[0])
    place = {name: number for number, name in enumerate(names)}
    objective = Classify(
        classes=Classes(names=names, several=several),
        targets={row.id: tuple(place[label] for label in _labels(row)) for row in rows},
    )
    return Encoded(
        train=[views for row in train if (views := _views(row, encoder, counted=True))],
        validation=[view for row in validation for view in _views(row, encoder, counted=False)],
        objective=lambda _: objective,
        classes=objective.classes,
    )


def _labels(row: Row) -> tuple[str, ...]:
    return row.labels or (str(row.label),)


def _views(row: Row, encoder: Encoder, *, counted: bool) -> list[View]:
    asked = row.messages[:-1] if row.messages[-1].role == "assistant" else row.messages
    ids = encoder.prompt(row.model_copy(update={"messages": asked}), counted=counted)
    return [prompt_view(row.id, ids)] if ids else []
