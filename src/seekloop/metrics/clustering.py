"""Groups of alike vectors: average linkage, cut where the groups are told apart best. Pure numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["NONE", "Merge", "average_linkage", "cut", "groups", "silhouettes"]

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
NONE = -1
"""The group of what belongs to none."""
_cuts = 48
"""Cuts that are tried at most."""


class Merge(NamedTuple):
    """Two groups, each named by one of its members, that become one."""

    one: int
    other: int
    similarity: float


def average_linkage(similarity: Floats) -> list[Merge]:
    """Merges of the nearest groups, most alike first; n - 1 of them.

    Unweighted average linkage (Sokal and Michener 1958) by chains of nearest neighbours (Murtagh 1983): n squared time.

    Args:
        similarity: shape (n, n), symmetric.
    """
    alike = np.array(similarity, dtype=np.float64)
    np.fill_diagonal(alike, -np.inf)
    sizes = np.ones(len(alike))
    left = set(range(len(alike)))
    merges: list[Merge] = []
    chain: list[int] = []
    while len(left) > 1:
        if not chain:
            chain.append(min(left))
        here = chain[-1]
        nearest = int(np.argmax(alike[here]))
        if len(chain) > 1 and alike[here, chain[-2]] >= alike[here, nearest]:
            nearest = chain[-2]
        if len(chain) < 2 or nearest != chain[-2]:
            chain.append(nearest)
            continue
        kept, gone = sorted((here, nearest))
        merges.append(Merge(kept, gone, float(alike[kept, gone])))
        mean = (sizes[kept] * alike[kept] + sizes[gone] * alike[gone]) / (sizes[kept] + sizes[gone])
        alike[kept], alike[:, kept] = mean, mean
        alike[gone], alike[:, gone] = -np.inf, -np.inf
        alike[kept, kept] = -np.inf
        sizes[kept] += sizes[gone]
        left.remove(gone)
        del chain[-2:]
    return sorted(merges, key=lambda one: -one.similarity)


def cut(merges: list[Merge], *, n: int, count: int) -> Places:
    """The group of each of n points when the most alike are merged until `count` are left, shape (n,)."""
    root = list(range(n))

    def find(place: int) -> int:
        while root[place] != place:
            root[place] = root[root[place]]
            place = root[place]
        return place

    for merge in merges[: n - count]:
        one, other = find(merge.one), find(merge.other)
        root[max(one, other)] = min(one, other)
    roots = [find(place) for place in range(n)]
    names = {place: name for name, place in enumerate(dict.fromkeys(roots))}
    return np.array([names[place] for place in roots], dtype=np.int64)


def silhouettes(similarity: Floats, group: Places) -> Floats:
    """How much nearer each point is to its own group than to the next one, -1 to 1 (Rousseeuw 1987), shape (n,).

    Distance is 1 less similarity; a point in no group (`NONE`) has 0, and counts as a neighbour of no one.
    """
    names = [name for name in np.unique(group) if name != NONE]
    found = np.zeros(len(group))
    if not names:
        return found
    members = np.stack([group == name for name in names], axis=1).astype(np.float64)
    sizes = members.sum(axis=0)
    sums = similarity @ members
    own = members.astype(bool)
    within = (sums - np.diag(similarity)[:, None]) / np.maximum(sizes - 1, 1)
    near = np.where(own, within, 0).sum(axis=1)
    others = np.where(own, -np.inf, sums / sizes)
    next_one = others.max(axis=1) if len(names) > 1 else np.zeros(len(group))
    inside, outside = 1 - near, 1 - np.maximum(next_one, 0)
    widest = np.maximum(np.maximum(inside, outside), 1e-12)
    grouped = group != NONE
    found[grouped] = ((outside - inside) / widest)[grouped]
    return found


def groups(similarity: Floats, *, least: int = 3) -> Places:
    """The group of each point, 0 for the largest; `NONE` for points that have fewer than `least` of their kind.

    Of the cuts of the linkage the one is taken whose points have the highest mean silhouette.

    Args:
        similarity: shape (n, n), symmetric, such as cosines.
        least: points of a group.
    """
    n = len(similarity)
    best, found = 0.0, np.full(n, NONE, dtype=np.int64)
    if n < least:
        return found
    merges = average_linkage(similarity)
    for count in sorted({round(float(one)) for one in np.geomspace(1, max(1, n - least + 1), _cuts)}):
        group = _large_ones(cut(merges, n=n, count=count), least=least)
        score = float(silhouettes(similarity, group).mean())
        if score > best + 1e-9:
            best, found = score, group
    return found


def _large_ones(group: Places, *, least: int) -> Places:
    """Groups by size, numbered anew; those with fewer than `least` points are none."""
    names, first, sizes = np.unique(group, return_index=True, return_counts=True)
    order = sorted(range(len(names)), key=lambda at: (-sizes[at], first[at]))
    renamed = {int(names[at]): place for place, at in enumerate(order) if sizes[at] >= least}
    return np.array([renamed.get(int(one), NONE) for one in group], dtype=np.int64)
