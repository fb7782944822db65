"""Replies that have nothing to do with their question, told by the words of the corpus itself.

A reply is irrelevant where it shares no unit with its question (a pair of Chinese characters, or the stem of a word
elsewhere) and its units are not those that other rows with such questions are answered with: the mean, over its rarest
units, of the greatest pointwise mutual information (Church and Hanks 1990) with a unit of the question, the row itself
left out. Memory holds a count of each unit, and the pairs of at most 20,000 rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from seekloop.artifact.rows import Row
from seekloop.data.wording import asked
from seekloop.system import seeds
from seekloop.text.segment import tokens

__all__ = ["Relevance"]

_kept = 20
_common = 0.2
_least_rows = 500
_most_rows = 20_000
_least_units = 5
_stem = 6
_odd = np.uint64(0x9E3779B97F4A7C15)

Units = NDArray[np.uint64]


class Relevance:
    """Counts of a corpus, taken in two passes: `count` every row, then `relate` every row; then ask.

    Args:
        association: the mean mutual information, in nats, at or below which a reply is irrelevant.
    """

    def __init__(self, *, association: float) -> None:
        self.rows = 0
        self._association = association
        self._both: Counter[int] = Counter()
        self._questions: Counter[int] = Counter()
        self._answers: Counter[int] = Counter()
        self._loose: list[Units] = []
        self._pairs = np.empty(0, dtype=np.uint64)
        self._counts = np.empty(0, dtype=np.int64)

    @property
    def is_ready(self) -> bool:
        """Whether there are rows enough to tell: 500."""
        return self.rows >= _least_rows

    def count(self, row: Row) -> None:
        """First pass: in how many rows each unit stands."""
        question, answer = _sides(row)
        if answer:
            self.rows += 1
            self._both.update(question | answer)

    def relate(self, row: Row) -> None:
        """Second pass: which units of questions and of answers go together."""
        if self._is_sampled(row):
            question, answer = (self._telling(side) for side in _sides(row))
            self._questions.update(question)
            self._answers.update(answer)
            self._loose.append(np.unique(_paired(question, answer)))

    def is_irrelevant(self, row: Row) -> bool:
        """Whether the reply has nothing to do with the question, as far as the corpus tells."""
        question, answer = _sides(row)
        if not self.is_ready or min(len(question), len(answer)) < _least_units or question & answer:
            return False
        asked_units, told_units = self._telling(question), self._telling(answer)
        if not (asked_units and told_units):
            return False
        own = int(self._is_sampled(row))
        together = self._together(_paired(asked_units, told_units)) - own
        left = np.array([self._questions[unit] for unit in asked_units])[:, None] - own
        right = np.array([self._answers[unit] for unit in told_units])[None, :] - own
        sampled = min(self.rows, _most_rows)
        lift = np.maximum(together, 1) * sampled / np.maximum(left * right, 1)
        information = np.where(together > 0, np.maximum(np.log(lift), 0), 0)
        return float(information.max(axis=0).mean()) <= self._association

    def _is_sampled(self, row: Row) -> bool:
        return seeds.derive(0, "relevance", row.id) < min(1.0, _most_rows / max(self.rows, 1)) * 2**32

    def _together(self, pairs: Units) -> NDArray[np.int64]:
        """In how many of the sampled rows each pair stands."""
        if self._loose:
            self._pairs, self._counts = np.unique(np.concatenate(self._loose), return_counts=True)
            self._loose = []
        places = np.minimum(np.searchsorted(self._pairs, pairs), max(len(self._pairs) - 1, 0))
        if not len(self._pairs):
            return np.zeros(pairs.shape, dtype=np.int64)
        return np.where(self._pairs[places] == pairs, self._counts[places], 0)

    def _telling(self, units: Collection[int]) -> list[int]:
        """The rarest twenty of the units that stand in less than a fifth of the rows, those seen once last."""
        rare = [unit for unit in units if self._both[unit] < _common * self.rows]
        return sorted(rare, key=lambda unit: (self._both[unit] < 2, self._both[unit], unit))[:_kept]


def _sides(row: Row) -> tuple[set[int], set[int]]:
    replies = [message.content for message in row.messages if message.role == "assistant"]
    return _units(asked(row)), _units("\n".join(replies))


def _units(text: str) -> set[int]:
    """Hashes of a text's units."""
    words, found = tokens(text), set()
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word[0] < "\u2e80":
            if len(word) > 2:
                found.add(word[:_stem])
        elif following and following[0] >= "\u2e80":
            found.add(word + following)
    return {int.from_bytes(hashlib.blake2b(unit.encode(), digest_size=8).digest(), "big") for unit in found}


def _paired(question: Collection[int], answer: Collection[int]) -> Units:
    """A hash of each pair, shape (len(question), len(answer))."""
    left = np.array(list(question), dtype=np.uint64)[:, None] * _odd
    right = (np.array(list(answer), dtype=np.uint64)[None, :] + np.uint64(1)) * _odd
    mixed = left ^ (right >> np.uint64(17)) ^ (right << np.uint64(23))
    return np.asarray(mixed * np.uint64(0xBF58476D1CE4E5B9))
