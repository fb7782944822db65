"""The gate: whether a variant says the same as its row."""

from __future__ import annotations

from seekloop.data.augment.spec import OperatorName
from seekloop.text.normalize import key
from seekloop.text.similarity import similarity

__all__ = ["is_near"]

_adding: frozenset[OperatorName] = frozenset({"context", "long"})
_same_words: frozenset[OperatorName] = frozenset({"shuffle", "punctuation", "typos", "mixed", "empty_field"})


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


def _pieces(text: str) -> frozenset[str]:
    """Runs of two and three characters of a text's key, where case and punctuation do not count."""
    folded = f" {key(text)} "
    return frozenset(folded[i : i + n] for n in (2, 3) for i in range(len(folded) - n + 1))
