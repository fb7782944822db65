"""Answers that were found good or bad one by one: KTO."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from seekloop.artifact.rows import Row
from seekloop.model.codec import View
from seekloop.runtime.train.objectives.kto import Kto, Verdict
from seekloop.runtime.train.objectives.objective import Objective, Score
from seekloop.system.errors import TrainError
from seekloop.tune.objective_spec import KtoObjective
from seekloop.tune.objectives.encoded import Encoded, Encoder, split_answer

__all__ = ["encode_kto"]


@dataclass(frozen=True, kw_only=True)
class _Judged:
    row: Row
    views: list[View]


def encode_kto(spec: KtoObjective, *, train: Iterable[Row], validation: Iterable[Row], encoder: Encoder) -> Encoded:
    """Answers with what the start thinks of them, and of each prompt with the answer of the row before.

    Raises:
        TrainError: there is only one row, so no other answer.
    """
    rows = _judged(train, encoder=encoder, counted=True)
    held = _judged(validation, encoder=encoder, counted=False)
    everything = [*rows, *held]
    if len(everything) < 2:
        raise TrainError("tune.one_verdict")
    strangers = [
        _stranger(part.views[0], other.views[0], limit=encoder.limit)
        for part, other in zip(everything, [everything[-1], *everything[:-1]], strict=True)
    ]

    def objective(score: Score) -> Objective:
        own = [(part.row.id, view) for part in everything for view in part.views]
        values = score([*(view for _, view in own), *strangers])
        references = dict.fromkeys((row for row, _ in own), 0.0)
        for (row, _), value in zip(own, values[: len(own)], strict=True):
            references[row] += value
        verdicts = {
            part.row.id: Verdict(
                desirable=bool(part.row.desirable),
                reference=references[part.row.id],
                stranger=stranger,
                stranger_reference=value,
            )
            for part, stranger, value in zip(everything, strangers, values[len(own) :], strict=True)
        }
        return Kto(
            verdicts=verdicts,
            beta=spec.beta,
            desirable_weight=spec.desirable_weight,
            undesirable_weight=spec.undesirable_weight,
        )

    return Encoded(
        train=[part.views for part in rows],
        validation=[view for part in held for view in part.views],
        objective=objective,
    )


def _judged(rows: Iterable[Row], *, encoder: Encoder, counted: bool) -> list[_Judged]:
    found: list[_Judged] = []
    for row in rows:
        prompt, answer = split_answer(row)
        sides = encoder.answers(prompt, [answer], counted=counted)
        if sides:
            found.append(_Judged(row=row, views=sides[0]))
    return found


def _stranger(view: View, other: View, *, limit: int) -> View:
    """The prompt of one view with the answer of another. It is only measured, so its end may be cut."""
    prompt, answer = view.ids[: _begin(view)], other.ids[_begin(other) :]
    ids = (*prompt, *answer)[:limit]
    return replace(view, ids=ids, labels=(*[-100] * len(prompt), *other.labels[_begin(other) :])[:limit])


def _begin(view: View) -> int:
    return next(place for place, label in enumerate(view.labels) if label != -100)
