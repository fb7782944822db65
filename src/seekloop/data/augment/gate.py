"""The gate: whether a variant says the same as its row, and whether a classifier still gives it the row's label."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.data.augment.spec import OperatorName
from seekloop.text.normalize import key
from seekloop.text.similarity import similarity

__all__ = ["LabelHead", "is_near"]

_adding: frozenset[OperatorName] = frozenset({"context", "long"})
_same_words: frozenset[OperatorName] = frozenset({"shuffle", "punctuation", "typos", "mixed", "empty_field"})
_cells = 1 << 24
"""Weights held at most: 64 MB."""


def is_near(text: str, variant: str, *, operator: OperatorName, window: tuple[float, float]) -> bool:
    """Whether a variant lies within the window.

    Operators that reword are held to both ends: a copy teaches nothing, another sentence may mean something else.
    Slips, and the same words in another order, may be as near as they like. Additions are judged by how much of the
    row's text is still there.
    """
    if variant == text:
        return operator == "empty_field"
    if operator in _adding:
        own = _pieces(text)
        return bool(own) and len(own & _pieces(variant)) / len(own) >= window[0]
    alike = similarity(text, variant)
    return window[0] <= alike <= (1.0 if operator in _same_words else window[1])


@dataclass(frozen=True)
class LabelHead:
    """A classifier on runs of two and three characters: multinomial naive Bayes with equal classes.

    McCallum and Nigam (1998), "A comparison of event models for naive Bayes text classification"; a text's features are
    the runs in it, hashed to one of D places, each counted once. No class is likelier beforehand, so that rare ones
    are not lost.
    """

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    """Shape (labels, D)."""

    @classmethod
    def train(cls, rows: Iterable[tuple[str, str]], *, labels: Sequence[str], smoothing: float = 0.01) -> LabelHead:
        """Learn from texts and their labels, one pass; memory is the weights."""
        places = 1 << 16
        while places > 1 << 10 and places * len(labels) > _cells:
            places >>= 1
        place = {label: number for number, label in enumerate(labels)}
        counts = np.zeros((len(labels), places), dtype=np.float32)
        for text, label in rows:
            counts[place[label], _features(text, places)] += 1
        counts += smoothing
        return cls(tuple(labels), np.log(counts / counts.sum(axis=1, keepdims=True)))

    def label_of(self, text: str) -> str:
        """The likeliest label."""
        scores = self.weights[:, _features(text, self.weights.shape[1])].sum(axis=1)
        return self.labels[int(scores.argmax())]


def _features(text: str, places: int) -> NDArray[np.intp]:
    return np.array(sorted({zlib.crc32(piece.encode()) % places for piece in _pieces(text)}), dtype=np.intp)


def _pieces(text: str) -> frozenset[str]:
    """Runs of two and three characters of a text's key, where case and punctuation do not count."""
    folded = f" {key(text)} "
    return frozenset(folded[i : i + n] for n in (2, 3) for i in range(len(folded) - n + 1))
