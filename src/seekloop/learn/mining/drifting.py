"""Drift: whether a window's messages and answers come from the population that the reference came from.

Each feature is tested alone, the p-values are corrected together (Holm), and what is certain but small is no drift.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seekloop.learn.mining.seen import Seen
from seekloop.learn.mining.spec import MiningSpec
from seekloop.metrics import two_sample
from seekloop.metrics.multiplicity import holm
from seekloop.system import digests
from seekloop.text import segment
from seekloop.text.hashed import Hashed
from seekloop.text.terms import pieces

__all__ = ["Drift", "FeatureDrift", "Vectors", "drift"]

Vectors = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts -> unit vectors of what they mean, shape (texts, width)."""
_bins = 10
_no_label = "-"


@dataclass(frozen=True, kw_only=True)
class FeatureDrift:
    """One feature of the window against the reference."""

    feature: str
    test: Literal["ks", "chi2", "energy"]
    before: float | None
    """Mean (of the middle value for numbers) in the reference; None for classes and meanings."""
    after: float | None
    """As `before`, in the window."""
    statistic: float
    psi: float | None
    """Population stability index; None for meanings."""
    by_chance: float | None
    """What the index is on average where nothing changed."""
    p_value: float
    adjusted: float
    """p-value, corrected for all features that were tested (Holm)."""
    n: int
    """Values of the reference."""
    m: int
    """Values of the window."""
    drifted: bool
    moved: tuple[tuple[str, float], ...] = ()
    """Of classes: those whose share moved most, with by how much."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What changed from the reference to the window."""

    features: tuple[FeatureDrift, ...]
    """The surest first."""
    alpha: float
    n: int
    m: int

    @property
    def drifted(self) -> bool:
        """Whether any feature did."""
        return any(one.drifted for one in self.features)


def drift(
    window: Sequence[Seen],
    reference: Sequence[Seen],
    *,
    spec: MiningSpec = MiningSpec(),  # noqa: B008
    seed: int = 0,
    vectors: Vectors | None = None,
) -> Drift:
    """Compare a window with an earlier one, or with the rows of a dataset.

    Features: characters, language, share of Chinese characters, share of words that the reference does not know, labels
    answered, time to the first token, log-probability of answers, and what messages mean. A feature that either side
    does not have is left out. Where nothing changed and messages are independent, at most a share `alpha` of windows is
    said to have drifted; a caller who sends many like messages makes them dependent.

    Args:
        window: the later side.
        reference: the earlier side.
        spec: error rate and least size of a drift.
        seed: of the permutations.
        vectors: what messages mean; None: their hashed shingles, which needs no model.
    """
    if not window or not reference:
        return Drift(features=(), alpha=spec.alpha, n=len(reference), m=len(window))
    found = [*_numbers(window, reference), *_classes(window, reference)]
    meaning = _meaning(window, reference, spec=spec, seed=seed, vectors=vectors or Hashed.plain().vectors)
    found += [meaning] if meaning is not None else []
    adjusted = holm([one.p_value for one in found])
    sized = [(one.psi is None or one.psi >= spec.least_psi) for one in found]
    told = [
        FeatureDrift(**{**vars(one), "adjusted": p, "drifted": p <= spec.alpha and large})
        for one, p, large in zip(found, adjusted, sized, strict=True)
    ]
    told.sort(key=lambda one: (not one.drifted, one.adjusted, one.feature))
    return Drift(features=tuple(told), alpha=spec.alpha, n=len(reference), m=len(window))


def _numbers(window: Sequence[Seen], reference: Sequence[Seen]) -> list[FeatureDrift]:
    known, held_out = _halves(reference)
    vocabulary = {piece for one in known for piece in _words(one.text)}

    def unknown(one: Seen) -> float | None:
        words = _words(one.text)
        return sum(word not in vocabulary for word in words) / len(words) if words else None

    # What the reference does not know can only be told of rows that its vocabulary was not made of.
    features: list[tuple[str, Callable[[Seen], float | None], Sequence[Seen]]] = [
        ("characters", lambda one: float(len(one.text)), reference),
        ("chinese_share", lambda one: _chinese(one.text), reference),
        ("unknown_words", unknown, held_out),
        ("first_token_ms", lambda one: one.first_token_ms, reference),
        ("logprob", lambda one: one.logprob, reference),
    ]
    return [
        made
        for name, measure, side in features
        if (made := _number(name, before=_values(side, measure), after=_values(window, measure))) is not None
    ]


def _classes(window: Sequence[Seen], reference: Sequence[Seen]) -> list[FeatureDrift]:
    tongues = [[segment.language_of(one.text) for one in side] for side in (reference, window)]
    found = [_class("language", before=tongues[0], after=tongues[1])]
    if any(one.label is not None for one in window) and any(one.label is not None for one in reference):
        labels = [[one.label or _no_label for one in side] for side in (reference, window)]
        found.append(_class("label", before=labels[0], after=labels[1]))
    return found


def _number(name: str, *, before: NDArray[np.float64], after: NDArray[np.float64]) -> FeatureDrift | None:
    """None where a side has no values."""
    if not len(before) or not len(after):
        return None
    tested = two_sample.kolmogorov_smirnov(before, after)
    edges = np.unique(np.quantile(before, np.linspace(0, 1, _bins + 1)[1:-1]))
    # What lies on an edge has a bin of its own: many values are whole numbers, and some features are mostly 0.
    places = [np.searchsorted(edges, side, "left") + np.searchsorted(edges, side, "right") for side in (before, after)]
    counts = np.stack([np.bincount(side, minlength=2 * len(edges) + 1) for side in places]).astype(float)
    counts = counts[:, counts.sum(axis=0) > 0]
    return _made(
        name,
        tested,
        test="ks",
        sizes=(len(before), len(after)),
        counts=(counts[0], counts[1]),
        middles=(float(np.median(before)), float(np.median(after))),
    )


def _class(name: str, *, before: Sequence[str], after: Sequence[str]) -> FeatureDrift:
    names = sorted({*before, *after})
    sides = [Counter(before), Counter(after)]
    counts = [np.array([side[one] for one in names], dtype=np.float64) for side in sides]
    moved = sorted(
        ((one, sides[1][one] / len(after) - sides[0][one] / len(before)) for one in names),
        key=lambda pair: (-abs(pair[1]), pair[0]),
    )
    tested = two_sample.chi_squared(counts[0], counts[1])
    made = _made(name, tested, test="chi2", sizes=(len(before), len(after)), counts=(counts[0], counts[1]))
    return FeatureDrift(**{**vars(made), "moved": tuple((one, round(by, 4)) for one, by in moved[:5] if by)})


def _meaning(
    window: Sequence[Seen], reference: Sequence[Seen], *, spec: MiningSpec, seed: int, vectors: Vectors
) -> FeatureDrift | None:
    sides = [_chosen(side, spec.compared) for side in (reference, window)]
    if min(map(len, sides)) < 2:
        return None
    rows = vectors([one.text for side in sides for one in side]).astype(np.float64)
    distances = two_sample.unit_distances(rows)
    tested = two_sample.energy(distances, len(sides[0]), permutations=spec.permutations, seed=seed)
    return _made("meaning", tested, test="energy", sizes=(len(sides[0]), len(sides[1])))


def _made(
    name: str,
    tested: two_sample.Tested,
    *,
    test: Literal["ks", "chi2", "energy"],
    sizes: tuple[int, int],
    counts: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    middles: tuple[float | None, float | None] = (None, None),
) -> FeatureDrift:
    return FeatureDrift(
        feature=name,
        test=test,
        before=middles[0],
        after=middles[1],
        statistic=tested.statistic,
        psi=None if counts is None else two_sample.psi(counts[0], counts[1]),
        by_chance=None if counts is None else two_sample.psi_by_chance(len(counts[0]), n=sizes[0], m=sizes[1]),
        p_value=tested.p_value,
        adjusted=1.0,
        n=sizes[0],
        m=sizes[1],
        drifted=False,
    )


def _values(side: Sequence[Seen], measure: Callable[[Seen], float | None]) -> NDArray[np.float64]:
    return np.array([value for one in side if (value := measure(one)) is not None], dtype=np.float64)


def _halves(side: Sequence[Seen]) -> tuple[list[Seen], list[Seen]]:
    """Two halves that depend on no order."""
    parts: tuple[list[Seen], list[Seen]] = ([], [])
    for one in side:
        parts[int(_order(one)[-1], 16) % 2].append(one)
    return parts


def _chosen(side: Sequence[Seen], count: int) -> Sequence[Seen]:
    return side if len(side) <= count else sorted(side, key=_order)[:count]


def _order(one: Seen) -> str:
    return digests.of_json(["mining", one.id])


def _words(text: str) -> set[str]:
    """Words; of Chinese, neighbouring characters."""
    return {piece for piece in pieces(text) if " " not in piece and not piece.startswith("~")}


def _chinese(text: str) -> float | None:
    """Share of Chinese and Japanese characters among the units that texts are counted in."""
    units = segment.tokens(text)
    return (
        sum(len(unit) == 1 and segment.language_of(unit) in ("zh", "ja") for unit in units) / len(units)
        if units
        else None
    )
