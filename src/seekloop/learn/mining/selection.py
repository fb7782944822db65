"""Which answers people should look at first: the ones most likely to be wrong, no two of them alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.learn.mining.nearest import Nearest, Space
from seekloop.learn.mining.seen import Seen

__all__ = ["Pick", "select", "suspicion"]

Floats = NDArray[np.float64]
_weights = {"disagreement": 2.0, "logprob": 2.0, "far": 1.0}
_alike = 0.5
"""How much of its suspicion an answer loses beside one that is chosen already, for each unit of cosine."""


@dataclass(frozen=True, kw_only=True)
class Pick:
    """An answer that somebody should look at."""

    answer: str
    score: float
    """How suspicious it is, 0 to 1; no probability."""
    reasons: tuple[str, ...]
    """Why: `feedback_unclear`, `like_error`, `new_intent`, `disagreement`, `logprob`, `far`."""


def suspicion(window: Sequence[Seen], near: Nearest) -> tuple[Floats, list[str]]:
    """How suspicious each answer is, 0 to 1, and its strongest reason.

    The weighted mean of what is known of it, each as the rank among the window: the share of its nearest known messages
    with another label, how unsure the model was (where log-probabilities are recorded), how far it is from all known
    messages.
    """
    parts: dict[str, Floats] = {"far": _ranks(-near.nearness.astype(np.float64))}
    if near.disagreement is not None:
        parts["disagreement"] = near.disagreement.astype(np.float64)
    told = np.array([np.nan if one.logprob is None else one.logprob for one in window], dtype=np.float64)
    if np.isfinite(told).any():
        ranks = np.full(len(told), 0.5)
        ranks[np.isfinite(told)] = _ranks(-told[np.isfinite(told)])
        parts["logprob"] = ranks
    total = sum(_weights[name] for name in parts)
    scores = np.sum([_weights[name] * values for name, values in parts.items()], axis=0) / total
    names = sorted(parts)
    worst = np.argmax(np.stack([_weights[name] * parts[name] for name in names]), axis=0)
    return scores, [names[at] for at in worst]


def select(
    window: Sequence[Seen],
    space: Space,
    *,
    near: Nearest,
    budget: int,
    sure: Mapping[str, Sequence[str]] | None = None,
    skip: Collection[str] = (),
) -> list[Pick]:
    """At most `budget` answers, the first to be looked at first.

    Those with a reason in `sure` come first, each as suspicious as can be; then the most suspicious of those that
    nobody spoke of. Each is chosen with what is chosen already in mind: a message like one of those waits
    (maximal marginal relevance, Carbonell and Goldstein 1998).

    Args:
        window: answers.
        space: their vectors.
        near: their nearest known messages.
        budget: how many.
        sure: answer id -> reasons to look at it whatever else is known.
        skip: ids that are not to be chosen, such as those that are in the queue already.
    """
    known = sure or {}
    scores, reasons = suspicion(window, near) if window else (np.zeros(0), [])
    first = np.array([one.id in known for one in window], dtype=bool)
    scores = np.where(first, 1.0, scores)
    allowed = np.array(
        [one.id not in skip and (first[at] or one.is_right is None) for at, one in enumerate(window)], dtype=bool
    )
    nearest = np.zeros(len(window))
    picks: list[Pick] = []
    while len(picks) < budget and allowed.any():
        value = np.where(allowed, scores + first - _alike * nearest, -np.inf)
        at = int(np.argmax(value))
        allowed[at] = False
        nearest = np.maximum(nearest, space.window @ space.window[at])
        one = window[at]
        picks.append(
            Pick(answer=one.id, score=round(float(scores[at]), 4), reasons=(*known.get(one.id, ()), reasons[at]))
        )
    return picks


def _ranks(values: Floats) -> Floats:
    """Middle ranks as shares, 0 to 1; equal values share theirs."""
    distinct, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles: Floats = (np.cumsum(counts) - counts / 2) / len(values)
    return middles[codes] if len(distinct) else values
