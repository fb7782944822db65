"""Who sees which release: a point for every caller, the same in every gateway and after every restart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seekloop.system import digests

__all__ = ["Placed", "arm_at", "point", "unit_of"]

_bytes = 8


@dataclass(frozen=True, kw_only=True)
class Placed:
    """How a request came to the release that was to answer it."""

    rollout: str
    step: int
    """From 0."""
    arm: str
    """Id of the release that was to answer."""
    unit: str
    """Digest of whoever asks; the same person in another rollout has another."""

    def facts(self, *, failed: str | None) -> dict[str, Any]:
        """What the row of the answer says of it; `failed` is the code of why another release answered."""
        told: dict[str, Any] = {"rollout": self.rollout, "step": self.step, "arm": self.arm, "unit": self.unit}
        return told if failed is None else {**told, "failed": failed}


def unit_of(rollout: str, tenant: str, *, who: str) -> str:
    """16 hex digits for a caller in a rollout; they cannot be told from another rollout's."""
    return hashlib.blake2b(digests.canonical([rollout, tenant, who]), digest_size=_bytes).hexdigest()


def point(unit: str) -> float:
    """Where a unit lies between 0 and 1, uniformly."""
    return int(unit, 16) / float(2 ** (8 * _bytes))


def arm_at(place: float, shares: Sequence[tuple[str, float]]) -> str | None:
    """The release whose stretch a point lies in; None: the one in production.

    The stretches stand one after the other from 0, and the release in production has the rest. So when a canary's
    share grows, its stretch grows at its end, and only those move whose points it grows over.
    """
    for release, share in shares:
        if place < share:
            return release
        place -= share
    return None
