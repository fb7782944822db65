"""Two models' distributions of the next id, or of a classifier's classes, at the same places, and how far one is from
the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Figures", "compare"]

Array = npt.NDArray[np.float64]
"""Log-probabilities (nats), [places, ids]; NaN where an engine did not tell an id's.

Of a classifier [places, classes]; where a text may have several of them [places, classes, 2], as many distributions of
having a class or not.
"""

_least = -1e4
"""An engine that rounds to probability 0 is taken to say so much, in nats."""
_one = 1.0
"""Nat. Of two classes that are equally likely the range is nothing; that of a vocabulary is tens of nats."""
_told = 1e-6
"""Nats that a context tells, at least: the share of less is one of rounding errors."""
_nothing = 1e-12
"""Probability that is left to all ids that a form did not tell, at least."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How far a form is from its parent."""

    places: int
    kl: float
    """Mean of KL(parent || form) over the places, in nats; of several classes a place the mean of theirs, each that of
    two Bernoulli distributions."""
    kl_worst: float
    """At the worst place, and class."""
    lost: float
    """`kl` as a share of the mean KL(parent || the parent's average over the places), which is what the parent knows
    from the context alone."""
    top1: float
    """Share of places where both find the same id likeliest, or the same set of classes."""
    difference: float
    """Largest difference of two log-probabilities, as a share of the range of the parent's, or of one nat."""
    complete: bool
    """Whether the form told every id; else `kl` is at least so much, and `difference` is that of the ids it told."""


def compare(parent: Array, form: Array) -> Figures:
    """Compare place by place.

    Ids that the form did not tell are one bucket: by the log-sum inequality the divergence of what was put together is
    at most that of the parts.

    Args:
        parent: complete.
        form: in the same shape.
    """
    told = ~np.isnan(form)
    ours = np.maximum(parent, _least)
    theirs = np.maximum(np.where(told, form, ours), _least)
    likely = np.exp(ours)
    kl = (likely * (ours - theirs)).sum(-1) + _bucket(likely, np.exp(theirs), told=told)
    kl = np.maximum(kl, 0.0)
    blind = float(_from_average(ours, likely).mean())
    span = ours.max(-1) - ours.min(-1)
    moved = np.abs(ours - theirs).max(-1) / np.maximum(span, _one)
    best = np.where(told, form, -np.inf).argmax(-1)
    return Figures(
        places=len(parent),
        kl=float(kl.mean()),
        kl_worst=float(kl.max()),
        lost=float(kl.mean()) / max(blind, _told),
        top1=float((best == ours.argmax(-1)).reshape(len(parent), -1).all(-1).mean()),
        difference=float(moved.max()),
        complete=bool(told.all()),
    )


def _bucket(likely: Array, theirs: Array, *, told: npt.NDArray[np.bool_]) -> Array:
    """What the untold ids add: P log(P / Q), with P and Q what is left of 1."""
    left, other = (np.maximum(0.0, 1.0 - np.where(told, one, 0.0).sum(-1)) for one in (likely, theirs))
    added = left * np.log(np.maximum(left, _nothing) / np.maximum(other, _nothing))
    bucket: Array = np.where(told.all(-1), 0.0, added)
    return bucket


def _from_average(ours: Array, likely: Array) -> Array:
    average = np.log(np.maximum(likely.mean(0), 1e-300))
    divergence: Array = np.maximum((likely * (ours - average)).sum(-1), 0.0)
    return divergence
