"""New intents: groups of messages like one another that production has and the known rows do not.

Groups are found in one half of the window and confirmed in the other: whether messages like these are more frequent
there than among the known rows is one exact test of a group that was chosen without it. So where nothing is new, a new
intent is named in at most a share `alpha` of windows (Holm over all groups of both halves).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.learn.mining.nearest import Space, chosen, top_mean
from seekloop.learn.mining.seen import Seen
from seekloop.learn.mining.spec import MiningSpec
from seekloop.metrics.clustering import average_linkage
from seekloop.metrics.clusters import telling
from seekloop.metrics.multiplicity import holm
from seekloop.metrics.two_sample import fisher_more
from seekloop.system import digests
from seekloop.text import normalize

__all__ = ["NewIntent", "new_intents"]

Floats = NDArray[np.float32]
Places = NDArray[np.int64]
_most = 4_000
_least_group = 3
_share_of_known = 0.5
"""A message is looked at if it is farther from the known rows than this share of these are from one another."""
_same, _examples, _rounds = 0.3, 5, 2
_control = 2_000
"""Known rows that groups are held against."""


@dataclass(frozen=True, kw_only=True)
class NewIntent:
    """A group of messages that nothing known is like."""

    terms: tuple[str, ...]
    """What sets them apart from the known rows, most telling first; together a suggested name."""
    members: tuple[str, ...]
    """Ids of the answers, the most typical first."""
    examples: tuple[str, ...]
    """Texts of the first members."""
    labels: tuple[tuple[str, int], ...]
    """Right labels that people gave for members, with how often."""
    hits: tuple[int, int]
    """In the half of the window where it was not found: messages like these, of how many."""
    known: tuple[int, int]
    """Among the known rows: messages like these, of how many."""
    adjusted: float
    """p-value of "no more frequent than among the known rows", corrected for all groups (Holm)."""

    @property
    def name(self) -> str:
        """The terms in one line."""
        return " · ".join(self.terms)

    @property
    def ratio(self) -> float:
        """How many times more frequent they are in the window."""
        return (self.hits[0] / self.hits[1]) / ((self.known[0] + 0.5) / (self.known[1] + 0.5))


@dataclass(frozen=True)
class _Group:
    """A group of one half, with how it fared in the other."""

    members: Places
    hits: tuple[int, int]
    known: tuple[int, int]
    p_value: float


@dataclass(frozen=True)
class _Ground:
    """What groups are held against."""

    space: Space
    away: Floats
    """How near each message of the window is to its nearest known rows."""
    control: Places
    """Known rows that stand for all of them in the test."""
    usual: Floats
    """How near each of these is to the other known rows."""

    @classmethod
    def of(cls, space: Space) -> _Ground:
        control = np.arange(0, len(space.known), max(1, len(space.known) // _control), dtype=np.int64)
        usual = top_mean(space.known[control], space.known, itself=control)
        return cls(space, top_mean(space.window, space.known), control, usual)


def new_intents(
    window: Sequence[Seen],
    known: Sequence[Seen],
    *,
    spec: MiningSpec = MiningSpec(),  # noqa: B008
    vectors: object = None,
) -> list[NewIntent]:
    """The new intents of a window, the largest first.

    Args:
        window: answers; messages that differ only in case, spacing or punctuation count once.
        known: rows of the dataset that the model was trained on.
        spec: error rate, least size, and how much more frequent they must be.
        vectors: as for `drifting.drift`.
    """
    asked = chosen(_distinct(window), _most)
    rows = _distinct(known)
    if len(asked) < 2 * spec.least_intent or not rows:
        return []
    ground = _Ground.of(Space.of(asked, rows, vectors=vectors))
    far = ground.away < np.quantile(ground.usual, 1 - _share_of_known)
    sides = np.array([int(digests.of_json(["half", one.id])[-1], 16) % 2 for one in asked])
    groups = [
        group
        for side in (0, 1)
        for group in _found(ground, inside=np.flatnonzero((sides == side) & far), other=sides != side)
    ]
    if not groups:
        return []
    adjusted = holm([group.p_value for group in groups])
    sure = [
        (group, p)
        for group, p in zip(groups, adjusted, strict=True)
        if p <= spec.alpha and _ratio(group) >= spec.intent_ratio
    ]
    merged = _merged(sorted(sure, key=_sureness), ground.space)
    made = [_made(asked, ground, group=group, adjusted=p) for group, p in merged]
    kept = [one for one in made if len(one.members) >= spec.least_intent]
    return sorted(kept, key=lambda one: (-len(one.members), one.members))


def _distinct(side: Sequence[Seen]) -> list[Seen]:
    """The first of those that count as the same text."""
    first: dict[str, Seen] = {}
    for one in side:
        first.setdefault(normalize.key(one.text), one)
    return list(first.values())


def _found(ground: _Ground, *, inside: Places, other: NDArray[np.bool_]) -> list[_Group]:
    """Groups of far messages of one half, each tried in the other half: every branch of their tree is one."""
    if len(inside) < _least_group:
        return []
    space, rest = ground.space, np.flatnonzero(other)
    groups = []
    for place in _branches(space.window[inside]):
        members = inside[place]
        rows = space.window[members]
        middle = _unit(rows.mean(axis=0))
        alone = rows.sum(axis=0) - rows
        own = (rows * alone).sum(axis=1) / np.maximum(np.linalg.norm(alone, axis=1), 1e-9) - ground.away[members]
        margin = min(0.0, float(np.quantile(own, 0.25)))
        # A message is of the group if it is as much nearer to its middle than to the nearest known rows as three in
        # four members are: one rule, made without the half and the rows that it is tried on.
        hits = int((space.window[rest] @ middle - ground.away[rest] > margin).sum())
        like = int((space.known[ground.control] @ middle - ground.usual > margin).sum())
        p_value = fisher_more((hits, len(rest)), (like, len(ground.control)))
        groups.append(_Group(members, (hits, len(rest)), (like, len(ground.control)), p_value))
    return groups


def _branches(rows: Floats) -> list[Places]:
    """Every branch of the tree of messages that is large enough to be a group and no larger than half of all."""
    merges = average_linkage(np.round(rows.astype(np.float64) @ rows.T.astype(np.float64), 6))
    inside: dict[int, list[int]] = {at: [at] for at in range(len(rows))}
    found = []
    for one, other, _ in merges:
        kept, gone = sorted((_root(inside, one), _root(inside, other)))
        inside[kept] = sorted((*inside[kept], *inside.pop(gone)))
        if _least_group <= len(inside[kept]) <= max(_least_group, len(rows) // 2):
            found.append(np.array(inside[kept], dtype=np.int64))
    return found


def _root(inside: dict[int, list[int]], member: int) -> int:
    return next(name for name, members in inside.items() if member in members)


def _grown(ground: _Ground, members: Places, *, among: Places) -> Places:
    """The messages that are nearer to the middle of a group than to the nearest known rows, the middle following."""
    window = ground.space.window
    for _ in range(_rounds):
        inside = among[window[among] @ _unit(window[members].mean(axis=0)) > ground.away[among]]
        if len(inside) < _least_group:
            break
        members = inside
    return members


def _merged(sure: Sequence[tuple[_Group, float]], space: Space) -> list[tuple[_Group, float]]:
    """Groups of both halves that are the same intent as one."""
    kept: list[tuple[_Group, float]] = []
    for group, p in sure:
        middle = _unit(space.window[group.members].mean(axis=0))
        for at, (other, best) in enumerate(kept):
            near = float(middle @ _unit(space.window[other.members].mean(axis=0)))
            if near >= _same:
                members = np.unique(np.concatenate((other.members, group.members)))
                kept[at] = (_Group(members, other.hits, other.known, other.p_value), best)
                break
        else:
            kept.append((group, p))
    return kept


def _made(asked: Sequence[Seen], ground: _Ground, *, group: _Group, adjusted: float) -> NewIntent:
    """The intent with every message of the window that is nearer to it than to anything known."""
    space, members_at = ground.space, group.members
    members_at = _grown(ground, members_at, among=np.arange(len(asked), dtype=np.int64))
    nearness = space.window @ _unit(space.window[members_at].mean(axis=0))
    places = sorted(members_at.tolist(), key=lambda at: (-float(nearness[at]), asked[at].id))
    members = [asked[at] for at in places]
    said = Counter(one.right_label for one in members if one.right_label is not None)
    texts = [one.text for one in members]
    others = [one.text for one in space.rows]
    return NewIntent(
        terms=telling(texts, others=others),
        members=tuple(one.id for one in members),
        examples=tuple(texts[:_examples]),
        labels=tuple(sorted(said.items(), key=lambda pair: (-pair[1], pair[0]))),
        hits=group.hits,
        known=group.known,
        adjusted=adjusted,
    )


def _ratio(group: _Group) -> float:
    return (group.hits[0] / group.hits[1]) / ((group.known[0] + 0.5) / (group.known[1] + 0.5))


def _sureness(one: tuple[_Group, float]) -> tuple[float, float, int]:
    return one[1], -_ratio(one[0]), int(one[0].members[0])


def _unit(row: Floats) -> Floats:
    length = float(np.linalg.norm(row))
    return row / length if length else row
