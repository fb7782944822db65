"""Questions in nearly the same words: the nearest earlier one of the same scope, if it can have the same answer."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.serve.cache.options import SemanticOptions
from seekloop.serve.cache.vectors import Embedder
from seekloop.serve.cache.words import Sense, sense_of

__all__ = ["Near", "Questions"]


@dataclass(frozen=True, slots=True)
class Near:
    """An earlier question that is near enough."""

    key: str
    """Under which its answer lies."""
    similarity: float
    """Cosine of the two last turns."""


@dataclass(frozen=True, slots=True)
class _Question:
    scope: str
    place: int
    sense: Sense


class Questions:
    """Earlier questions of all scopes, in one table of vectors.

    Args:
        options: threshold, words and how many.
        embedder: makes vectors.
        agrees: whether two questions may have one answer; None: by their words.
    """

    def __init__(
        self,
        options: SemanticOptions,
        *,
        embedder: Embedder,
        agrees: Callable[[Sense, Sense], bool] | None = None,
    ) -> None:
        self._least = 2.0 if options.threshold is None else options.threshold
        self._agrees = agrees or (lambda one, other: one.agrees(other, words=options.words))
        self._embedder = embedder
        self._vectors: NDArray[np.float32] = np.zeros((options.entries, embedder.size), np.float32)
        self._free = list(range(options.entries))
        self._questions: OrderedDict[str, _Question] = OrderedDict()
        self._scopes: defaultdict[str, dict[int, str]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self._questions)

    def nearest(self, text: str, *, scope: str) -> Near | None:
        """The nearest earlier question of the scope that is near enough and can have the same answer."""
        keys = self._scopes.get(scope)
        if not keys:
            return None
        places = np.fromiter(keys, np.int64, len(keys))
        vector = self._embedder.embed(text)
        # Taking rows out copies them, which costs more than multiplying a few too many.
        whole = len(keys) * 4 > len(self._vectors)
        cosines = (self._vectors @ vector)[places] if whole else self._vectors[places] @ vector
        sense = sense_of(text)
        for at in np.argsort(-cosines, kind="stable"):
            similarity = float(cosines[at])
            if similarity < self._least:
                return None
            key = keys[int(places[at])]
            if self._agrees(sense, self._questions[key].sense):
                self._questions.move_to_end(key)
                return Near(key, min(1.0, similarity))
        return None

    def add(self, key: str, text: str, *, scope: str) -> None:
        """Remember a question whose answer lies under `key`."""
        if key in self._questions:
            self.forget(key)
        if not self._free:
            self.forget(next(iter(self._questions)))
        place = self._free.pop()
        self._vectors[place] = self._embedder.embed(text)
        self._questions[key] = _Question(scope, place, sense_of(text))
        self._scopes[scope][place] = key

    def forget(self, key: str) -> None:
        """Forget a question."""
        question = self._questions.pop(key, None)
        if question is None:
            return
        self._free.append(question.place)
        self._vectors[question.place] = 0
        places = self._scopes[question.scope]
        del places[question.place]
        if not places:
            del self._scopes[question.scope]
