"""Rows that say the same in other words: an encoder places them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seekloop.data.judge.encoders import Transformer
from seekloop.data.judge_spec import EmbeddingClassifier
from seekloop.data.spec import MeaningSpec
from seekloop.text.kept import Column

__all__ = ["Meanings"]

_at_once = 32
"""Texts in one pass of the encoder."""


class Meanings:
    """Texts kept so far, as unit vectors of an encoder; 4 bytes a column of the encoder are kept for each.

    Args:
        spec: which encoder, and how near is the same.
        root: folder that a relative path is taken from.

    Raises:
        DataError: the folder is no encoder.
        MissingPackage: torch or transformers is not installed.
    """

    def __init__(self, spec: MeaningSpec, *, root: Path) -> None:
        encoder = EmbeddingClassifier(path=spec.path, max_tokens=spec.max_tokens)
        self._encoder = Transformer(encoder, root / spec.path)
        self._least = spec.similarity
        self._vectors: Column[np.float32] = Column(np.float32, self._encoder.width)
        self._classes: Column[np.int64] = Column(np.int64)

    def twins(self, texts: Sequence[str], classes: NDArray[np.int64]) -> list[int | None]:
        """For each text, the number of the kept one of its class that it is nearest to, where that is near enough.

        A text without a twin is kept from now on, under the next number; so are those of the same call, in order.
        The nearness is the cosine of the two vectors.
        """
        found: list[int | None] = []
        for vector, own in zip(self._encoded(texts), classes, strict=True):
            near = self._vectors.values @ vector
            near[self._classes.values != own] = -1
            best = int(near.argmax()) if len(near) else -1
            if best >= 0 and near[best] >= self._least:
                found.append(best)
            else:
                found.append(None)
                self._vectors.extend(vector[None])
                self._classes.extend(np.array([own]))
        return found

    def _encoded(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (texts, columns). Texts of like length are encoded together: padding costs time."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        rows = np.zeros((len(texts), self._encoder.width), dtype=np.float32)
        for at in range(0, len(order), _at_once):
            places = order[at : at + _at_once]
            for place, vector in zip(places, self._encoder.vectors([(texts[p], None) for p in places]), strict=True):
                rows[place] = vector.values
        return rows
