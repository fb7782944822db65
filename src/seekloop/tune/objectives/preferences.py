"""Two answers to one question: DPO and ORPO."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from seekloop.artifact.rows import Row
from seekloop.model.codec import View
from seekloop.runtime.train.objectives.dpo import Dpo
from seekloop.runtime.train.objectives.objective import Objective, Score
from seekloop.runtime.train.objectives.orpo import Orpo
from seekloop.tune.objective_spec import DpoObjective, OrpoObjective
from seekloop.tune.objectives.encoded import Encoded, Encoder, on_side, split_answer

__all__ = ["encode_dpo", "encode_orpo"]


def encode_dpo(spec: DpoObjective, *, train: Iterable[Row], validation: Iterable[Row], encoder: Encoder) -> Encoded:
    """Pairs with what the start thinks of both answers."""
    rows, held = _pairs(train, validation=validation, encoder=encoder)

    def objective(score: Score) -> Objective:
        views = [view for pair in (*rows, *held) for view in pair]
        reference: dict[str, tuple[float, float]] = {}
        for view, value in zip(views, score(views), strict=True):
            both = [*reference.get(view.row, (0.0, 0.0))]
            both[view.side] += value
            reference[view.row] = (both[0], both[1])
        return Dpo(reference=reference, beta=spec.beta, loss=spec.loss, label_smoothing=spec.label_smoothing)

    return Encoded(train=rows, validation=[view for pair in held for view in pair], objective=objective)


def encode_orpo(spec: OrpoObjective, *, train: Iterable[Row], validation: Iterable[Row], encoder: Encoder) -> Encoded:
    """Pairs; nothing is asked of the start."""
    rows, held = _pairs(train, validation=validation, encoder=encoder)
    if spec.train_on_prompt:
        rows, held = ([[_prompt_too(view) for view in pair] for pair in part] for part in (rows, held))
    objective = Orpo(beta=spec.beta)
    return Encoded(train=rows, validation=[view for pair in held for view in pair], objective=lambda _: objective)


def _pairs(
    train: Iterable[Row], *, validation: Iterable[Row], encoder: Encoder
) -> tuple[list[list[View]], list[list[View]]]:
    def pair(row: Row, counted: bool) -> list[View]:
        prompt, chosen = split_answer(row)
        sides = encoder.answers(prompt, [chosen, row.rejected], counted=counted)
        return [view for side, views in enumerate(sides) for view in on_side(views, side)]

    rows = [pair(row, True) for row in train]
    held = [pair(row, False) for row in validation]
    return [views for views in rows if views], [views for views in held if views]


def _prompt_too(view: View) -> View:
    """The better answer's view with its prompt labelled; the answer still begins where it did."""
    if view.side:
        return view
    begins = next(place for place, label in enumerate(view.labels) if label != -100)
    return replace(view, begins=begins, labels=(-100, *view.ids[1:begins], *view.labels[begins:]))
