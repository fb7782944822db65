"""Texts in groups that are alike, each named by the terms that set it apart from all others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.metrics import clustering
from seekloop.system import digests
from seekloop.text import segment
from seekloop.text.terms import named_terms, pieces, stands_alone, tells

__all__ = ["Cluster", "Meant", "Weights", "clusters", "telling", "vectors"]

_most = 1_000
"""Texts that are compared with each other; of more, so many are chosen by digest and the others join a group."""
_features = 8_192
_terms, _candidates = 3, 40
_joins = 0.15
"""Cosine to a group's middle from which a text beyond the first thousand belongs to it."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Texts that are alike."""

    terms: tuple[str, ...]
    """What sets them apart, most telling first; together its name."""
    members: tuple[int, ...]
    """Places of the texts, the most typical first."""

    @property
    def name(self) -> str:
        """The terms in one line."""
        return " · ".join(self.terms)


Meant = Callable[[Sequence[str]], NDArray[np.float64]]
"""Texts -> unit vectors of what they mean, shape (texts, features)."""


def clusters(
    wrong: Sequence[str], *, others: Sequence[str], least: int = 3, meant: Meant | None = None
) -> list[Cluster]:
    """Groups of the texts in `wrong`, the largest first; texts that are like no other are in none.

    TF-IDF of words, word pairs and pieces of them (of Chinese: of runs of characters), where a term that most texts
    have weighs little; average linkage of the cosines.

    Args:
        wrong: what was asked where the answer was wrong.
        others: what was asked where it was right: terms that these have too set nothing apart.
        least: texts of a group.
        meant: how texts are compared in place of TF-IDF; groups are named by their terms all the same.
    """
    if len(wrong) < least:
        return []
    places = sorted(range(len(wrong)), key=lambda at: (digests.of_json([wrong[at], at]), at))
    chosen, rest = sorted(places[:_most]), places[_most:]
    if meant is None:
        weights = vectors([wrong[at] for at in chosen], others=others)
        rows, rest_rows = weights.rows, (weights.of(wrong[place]) for place in rest)
    else:
        every = meant(wrong)
        rows, rest_rows = every[chosen], (every[place] for place in rest)
    group = clustering.groups(np.round(rows @ rows.T, 6), least=least)
    count = int(group.max()) + 1
    if not count:
        return []
    middles = np.stack([_unit(rows[group == name].mean(axis=0)) for name in range(count)])
    near = [(float(rows[at] @ middles[name]), place, int(name)) for at, (place, name) in _grouped(chosen, group)]
    for place, row in zip(rest, rest_rows, strict=True):
        nearness = middles @ row
        name = int(np.argmax(nearness))
        if nearness[name] >= _joins:
            near.append((float(nearness[name]), place, name))
    common = _document_counts([*wrong, *others])
    found = []
    for name in range(count):
        members = [place for _, place, own in sorted(near, key=lambda one: (-one[0], one[1])) if own == name]
        terms = _telling([wrong[at] for at in members], common=common, among=len(wrong) + len(others))
        found.append(Cluster(terms=terms, members=tuple(members)))
    return sorted(found, key=lambda one: (-len(one.members), one.members))


def telling(texts: Sequence[str], *, others: Sequence[str]) -> tuple[str, ...]:
    """At most three terms that many of `texts` have and few of `others` do, the most telling first."""
    if not texts:
        return ("?",)
    return _telling(texts, common=_document_counts([*texts, *others]), among=len(texts) + len(others))


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Texts as unit vectors, and what it takes to make another one."""

    rows: NDArray[np.float64]
    """Shape (texts, features)."""
    features: dict[str, int]
    idf: NDArray[np.float64]

    def of(self, text: str) -> NDArray[np.float64]:
        """The unit vector of a text, shape (features,); zeros where it has none of the features."""
        row = np.zeros(len(self.features))
        for piece in pieces(text):
            at = self.features.get(piece)
            if at is not None:
                row[at] = self.idf[at]
        return _unit(row)


def vectors(texts: Sequence[str], *, others: Sequence[str] = ()) -> Weights:
    """TF-IDF of `texts`: binary term frequency, smoothed inverse document frequency over `texts` and `others`.

    Only pieces that two of `texts` share are features; of more than 8,192 the most frequent.
    """
    within = Counter(piece for text in texts for piece in pieces(text))
    shared = sorted((piece for piece, count in within.items() if count > 1), key=lambda one: (-within[one], one))
    features = {piece: at for at, piece in enumerate(shared[:_features])}
    all_in = Counter(within)
    for text in others:
        all_in.update(piece for piece in pieces(text) if piece in features)
    total = len(texts) + len(others)
    idf = np.array([math.log((1 + total) / (1 + all_in[piece])) + 0.05 for piece in features])
    made = Weights(rows=np.zeros((0, 0)), features=features, idf=idf)
    rows = np.stack([made.of(text) for text in texts]) if texts else np.zeros((0, len(features)))
    return Weights(rows=rows, features=features, idf=idf)


def _grouped(chosen: Sequence[int], group: NDArray[np.int64]) -> list[tuple[int, tuple[int, int]]]:
    """Place among the compared -> place among all, and group; those in none are left out."""
    pairs = zip(chosen, group.tolist(), strict=True)
    return [(at, pair) for at, pair in enumerate(pairs) if pair[1] != clustering.NONE]


def _unit(row: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(row))
    return row / length if length else row


def _document_counts(texts: Sequence[str]) -> Counter[str]:
    return Counter(term for text in texts for term in named_terms(text))


def _telling(texts: Sequence[str], *, common: Counter[str], among: int) -> tuple[str, ...]:
    """Terms that many of `texts` have and few others do: share within, times the log of how far it is above chance."""
    within = _document_counts(texts)
    least = max(2, math.ceil(len(texts) * 0.2))

    def worth(term: str) -> float:
        share = within[term] / len(texts)
        return share * math.log(share / (common[term] / among))

    known = [term for term, count in within.items() if count >= least and worth(term) > 0]
    known.sort(key=lambda one: (not tells(one), -worth(one), -len(one), one))
    chosen: list[str] = []
    for term in known[:_candidates]:
        fits = len(chosen) < _terms and tells(term) and not any(_overlap(term, one) for one in chosen)
        if fits and stands_alone(term, texts):
            chosen.append(term)
    # Too few texts tell words from pieces of words: then the longest of what most of them have.
    return tuple(chosen) or tuple(sorted(known, key=lambda one: (-within[one], -len(one), one))[:1]) or ("?",)


def _overlap(term: str, other: str) -> bool:
    """Whether two terms say some of the same: a word, its beginning or, in Chinese, a character."""
    return (
        term.startswith(other) or other.startswith(term) or bool(set(segment.tokens(term)) & set(segment.tokens(other)))
    )
