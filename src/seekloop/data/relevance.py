"""Replies that have nothing to do with their question, told by the corpus itself.

Each sampled row is shown twice: with its own reply, and with that of another row. What tells the two apart is learnt
as a logistic head over how much question and reply share (weighted by rarity), how near they lie in the space that
words which stand together span (latent semantic analysis, Deerwester et al. 1990; each row is placed by what the other
half of the corpus spans), and how both compare with twenty other replies and questions. A row is irrelevant where
replies that were swapped are so much more frequent among rows like it that the rest of the corpus hardly adds any.
Memory holds a count of each unit, and hashes of the units of at most 5,000 rows.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.artifact.rows import Row
from seekloop.data.wording import asked
from seekloop.system import seeds
from seekloop.text.segment import tokens

__all__ = ["Relevance"]

_least_rows, _most_rows = 500, 5_000
_least_units = 5
_common = 0.2
_vocabulary, _space, _spare = 2048, 100, 20
_beside = 20
"""Other rows that a row is compared with."""
_stem = 5
_at_once = 500
_least_found, _slack = 8, 1.15
"""Rows behind the share that is read off the tail, and how far above it the share may rise."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Side:
    """A question or a reply: its units, their weights together, and its place in the spaces of the two halves."""

    units: frozenset[int]
    norm: float
    places: NDArray[np.float32]
    """Shape (2, columns), unit vectors."""


class Relevance:
    """What a corpus tells of its replies: `count` every row, `relate` every row, `settle`, then ask.

    Args:
        share: at most this share of the answered rows is irrelevant.
    """

    def __init__(self, *, share: float) -> None:
        self.rows = 0
        self.threshold = np.inf
        """Log-odds from which a row is irrelevant; infinite: the corpus does not tell."""
        self._share = share
        self._counts: Counter[int] = Counter()
        self._kept: list[tuple[int, frozenset[int], frozenset[int]]] = []
        """Half, units of the question, units of the reply."""
        self._words: dict[int, int] = {}
        self._spaces: tuple[NDArray[np.float32], ...] = ()
        self._others: list[tuple[_Side, _Side]] = []
        self._head: tuple[Floats, Floats, Floats] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether there are rows enough to tell: 500."""
        return self.rows >= _least_rows

    def count(self, row: Row) -> None:
        """First pass: in how many rows each unit stands."""
        question, answer = _sides(row)
        if answer:
            self.rows += 1
            self._counts.update(question | answer)

    def relate(self, row: Row) -> None:
        """Second pass: keep what some rows say, as hashes."""
        question, answer = _sides(row)
        if _tells(question, answer) and _draw(row) < min(1.0, _most_rows / max(self.rows, 1)) * 2**32:
            self._kept.append((_draw(row) & 1, question, answer))

    def settle(self) -> None:
        """Learn from the rows that were kept, and choose the threshold."""
        if not self.is_ready or len(self._kept) < _least_rows:
            return
        rare = [(unit, n) for unit, n in self._counts.items() if 3 <= n < _common * self.rows]
        rare.sort(key=lambda one: (-one[1], one[0]))
        self._words = {unit: place for place, (unit, _) in enumerate(rare[:_vocabulary])}
        self._spaces = tuple(self._spanned(half) for half in (0, 1))
        sides = [(half, self._side(question), self._side(answer)) for half, question, answer in self._kept]
        self._others = [(question, answer) for _, question, answer in sides[:: max(1, len(sides) // _beside)]]
        order = np.random.default_rng(seeds.derive(0, "relevance", "swaps")).permutation(len(sides))
        real = np.array([self._features(question, answer, half=half) for half, question, answer in sides])
        swapped = np.array(
            [self._features(sides[i][1], sides[j][2], half=sides[i][0]) for i, j in enumerate(order.tolist())]
        )
        self._head = _trained(real, swapped)
        self.threshold = _threshold(self._scores(real), self._scores(swapped), share=self._share)
        self._kept = []

    def is_irrelevant(self, row: Row) -> bool:
        """Whether the reply has nothing to do with the question, as far as the corpus tells."""
        question, answer = _sides(row)
        if self._head is None or not np.isfinite(self.threshold) or not _tells(question, answer):
            return False
        features = self._features(self._side(question), self._side(answer), half=_draw(row) & 1)
        return float(self._scores(features[None])[0]) >= self.threshold

    def _weight(self, unit: int) -> float:
        """How rare a unit is; one that was never counted is as rare as can be."""
        return math.log((self.rows + 1) / (self._counts.get(unit, 0) + 0.5))

    def _spanned(self, half: int) -> NDArray[np.float32]:
        """The space that the rows of the other half span, shape (vocabulary, columns)."""
        rows = [question | answer for own, question, answer in self._kept if own != half]
        gram = np.zeros((len(self._words), len(self._words)), dtype=np.float32)
        for at in range(0, len(rows), _at_once):
            vectors = self._vectors(rows[at : at + _at_once])
            gram += vectors.T @ vectors
        columns = min(_space, len(self._words))
        start = np.random.default_rng(seeds.derive(0, "relevance", "space"))
        basis = start.standard_normal((len(self._words), min(columns + _spare, len(self._words)))).astype(np.float32)
        for _ in range(4):  # subspace iteration (Halko, Martinsson and Tropp 2011)
            basis, _ = np.linalg.qr(gram @ basis)
        _, turned = np.linalg.eigh(basis.T @ gram @ basis)
        return np.asarray(basis @ turned[:, ::-1][:, :columns], dtype=np.float32)

    def _vectors(self, rows: Sequence[Iterable[int]]) -> NDArray[np.float32]:
        """Unit vectors over the vocabulary, one a row."""
        found = np.zeros((len(rows), len(self._words)), dtype=np.float32)
        for row, units in enumerate(rows):
            for unit in units:
                if unit in self._words:
                    found[row, self._words[unit]] = self._weight(unit)
        return np.asarray(found / (np.linalg.norm(found, axis=1, keepdims=True) + 1e-9), dtype=np.float32)

    def _side(self, units: frozenset[int]) -> _Side:
        (vector,) = self._vectors([units])
        places = np.stack([vector @ space for space in self._spaces])
        norm = float(np.sqrt(sum(self._weight(unit) ** 2 for unit in units))) + 1e-9
        return _Side(units, norm, places / (np.linalg.norm(places, axis=1, keepdims=True) + 1e-9))

    def _features(self, question: _Side, answer: _Side, *, half: int) -> Floats:
        shared = [self._weight(unit) for unit in question.units & answer.units]
        squares, total = sum(one * one for one in shared), sum(shared)
        near = float(question.places[half] @ answer.places[half])
        beside = [self._pair(question, other, half=half) for _, other in self._others]
        beneath = [self._pair(other, answer, half=half) for other, _ in self._others]
        lifts = [_lift((total, near), others) for others in (beside, beneath)]
        plain = [
            np.log1p(50 * squares / (question.norm * answer.norm)),
            np.log1p(total),
            max(shared, default=0.0),
            squares / question.norm**2,
            near,
            *lifts[0],
            *lifts[1],
            np.log1p(len(question.units)),
            np.log1p(len(answer.units)),
        ]
        return np.array([*plain, float(not shared)])

    def _pair(self, question: _Side, answer: _Side, *, half: int) -> tuple[float, float]:
        shared = sum(map(self._weight, question.units & answer.units))
        return shared, float(question.places[half] @ answer.places[half])

    def _scores(self, features: Floats) -> Floats:
        """Log-odds that a reply was swapped, where half of them are."""
        assert self._head is not None
        weights, mean, spread = self._head
        return np.asarray(_widened((features - mean) / spread) @ weights)


def _sides(row: Row) -> tuple[frozenset[int], frozenset[int]]:
    replies = [message.content for message in row.messages if message.role == "assistant"]
    return _units(asked(row)), _units("\n".join(replies))


def _tells(question: frozenset[int], answer: frozenset[int]) -> bool:
    return min(len(question), len(answer)) >= _least_units


def _draw(row: Row) -> int:
    return seeds.derive(0, "relevance", row.id)


def _units(text: str) -> frozenset[int]:
    """Hashes of a text's units: Chinese characters and pairs of them, stems of other words, numbers."""
    words, found = tokens(text), set()
    for word, following in itertools.pairwise([*words, ""]):
        if word[0] >= "\u2e80":
            found.add(f"1{word}")
            if following and following[0] >= "\u2e80":
                found.add(word + following)
        elif len(word) > 2 or word.isdigit():
            found.add(word[:_stem])
    return frozenset((zlib.crc32(one.encode()) << 32) | zlib.adler32(one.encode()) for one in found)


def _lift(own: tuple[float, float], others: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """How far the two measures lie above those of others, in their spread."""
    table = np.array(others)
    first, second = (np.array(own) - table.mean(0)) / (table.std(0) + np.array([1.0, 0.05]))
    return float(first), float(second)


def _widened(features: Floats) -> Floats:
    """Features and some of their products, beside a column of ones."""
    products = features[:, [4, 1, 4, 10]] * features[:, [9, 9, 1, 9]]
    ones = np.ones((len(features), 1))
    return np.concatenate([ones, features, products], axis=1)


def _trained(real: Floats, swapped: Floats) -> tuple[Floats, Floats, Floats]:
    """A logistic head (Newton's method, ridge 1), and the mean and spread of the features."""
    both = np.concatenate([real, swapped])
    mean, spread = both.mean(0), both.std(0) + 1e-9
    table = _widened((both - mean) / spread)
    truth = np.concatenate([np.zeros(len(real)), np.ones(len(swapped))])
    weights = np.zeros(table.shape[1])
    for _ in range(30):
        likely = 1 / (1 + np.exp(-np.clip(table @ weights, -30, 30)))
        bend = table.T @ (table * (likely * (1 - likely))[:, None]) + np.eye(len(weights))
        weights = weights - np.linalg.solve(bend, table.T @ (likely - truth) + weights)
    return weights, mean, spread


def _threshold(real: Floats, swapped: Floats, *, share: float) -> float:
    """The score from which the corpus holds hardly more rows than swapped ones account for.

    Of rows scored at least s, `held / planted` falls to the share of replies that do not belong as s rises: there the
    good ones have run out. The lowest score at which it is still within 15 % of its least value is taken.
    """
    scores = np.sort(real)[::-1]
    held = 1 - np.searchsorted(scores[::-1], scores) / len(scores)
    planted = 1 - np.searchsorted(np.sort(swapped), scores) / len(swapped)
    within = (held <= share) & (held * len(scores) >= _least_found) & (planted > 0)
    if not within.any():
        return float("inf")
    ratio = np.where(within, held / np.maximum(planted, 1e-9), np.inf)
    last = int(np.flatnonzero(ratio <= ratio.min() * _slack)[-1])
    return float(scores[last]) if ratio[last] < share else float("inf")
