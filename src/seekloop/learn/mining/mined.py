"""All that a window of production shows, in one result that is the same for the same rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from seekloop.learn.mining.drifting import Drift, Vectors, drift
from seekloop.learn.mining.faults import Errors, Like, errors, like_errors
from seekloop.learn.mining.intents import NewIntent, new_intents
from seekloop.learn.mining.kpi import Drop, kpi_drop
from seekloop.learn.mining.nearest import Space, nearest
from seekloop.learn.mining.seen import Seen
from seekloop.learn.mining.selection import Pick, select
from seekloop.learn.mining.spec import MiningSpec
from seekloop.metrics.sequential import Tally

__all__ = ["Mined", "mine", "tally"]

_of_each_intent = 3


@dataclass(frozen=True, kw_only=True)
class Mined:
    """What a window of production shows."""

    errors: Errors
    drift: Drift
    """Against the reference: an earlier window, or else the known rows."""
    kpi: Drop | None
    """Right answers among those that somebody spoke of, against the earlier window; None: there is no earlier one."""
    intents: tuple[NewIntent, ...]
    like_errors: tuple[Like, ...]
    queue: tuple[Pick, ...]
    """What people should look at, first things first."""
    seed: int = 0
    spec: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        told = dataclasses.asdict(self)
        told["drift"] |= {"drifted": self.drift.drifted}
        told["errors"] |= {"n": self.errors.n, "share": self.errors.share}
        for line, intent in zip(told["intents"], self.intents, strict=True):
            line |= {"name": intent.name, "ratio": round(intent.ratio, 2), "size": len(intent.members)}
        return told


def mine(
    window: Sequence[Seen],
    known: Sequence[Seen],
    *,
    before: Sequence[Seen] = (),
    skip: Collection[str] = (),
    spec: MiningSpec = MiningSpec(),  # noqa: B008
    seed: int = 0,
    vectors: Vectors | None = None,
) -> Mined:
    """Look at a window of production.

    Args:
        window: its answers, with what was said of them.
        known: rows of the dataset that the model was trained on.
        before: an earlier window to compare with; empty: drift is told against the known rows.
        skip: ids of answers that people are looking at already, or have.
        spec: error rates, thresholds, budget.
        seed: of the permutations.
        vectors: texts -> unit vectors of what they mean; None: hashed shingles, which need no model.
    """
    faults = errors(window)
    wrong = [one for one in (*before, *window) if one.is_right is False]
    likes = like_errors(window, wrong, threshold=spec.near)
    intents = new_intents(window, known, spec=spec, vectors=vectors)
    space = Space.of(window, known, vectors=vectors)
    sure: dict[str, list[str]] = {}
    for one in window:
        if one.is_unclear:
            sure.setdefault(one.id, []).append("feedback_unclear")
    for like in likes:
        if like.same:
            sure.setdefault(like.answer, []).append("like_error")
    judged = {one.id for one in window if one.is_right is not None}
    for intent in intents:
        for identity in [one for one in intent.members if one not in judged][:_of_each_intent]:
            sure.setdefault(identity, []).append("new_intent")
    queue = select(window, space, near=nearest(space, window), budget=spec.budget, sure=sure, skip=skip)
    return Mined(
        errors=faults,
        drift=drift(window, before or known, spec=spec, seed=seed, vectors=vectors),
        kpi=kpi_drop(tally(before), tally(window), points=0.0) if before else None,
        intents=tuple(intents),
        like_errors=tuple(likes),
        queue=tuple(queue),
        seed=seed,
        spec=spec.model_dump(mode="json"),
    )


def tally(side: Sequence[Seen]) -> Tally:
    """Right answers among those that somebody spoke of clearly."""
    judged = [one.is_right for one in side if one.is_right is not None]
    return Tally(float(sum(judged)), len(judged))
