"""ROUGE with the tokenisation in its name: `rouge1_en`, `rougeL_zh`.

Lin (2004), "ROUGE: a package for automatic evaluation of summaries". `en` is what the rouge-score package does without
stemming: lower-cased runs of a-z and 0-9. `zh` is `text.segment.tokens`: every Chinese character alone, other scripts
by word, lower-cased. Punctuation counts in neither. Words split at spaces would make any Chinese score 0 or 1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from seekloop.text import segment

__all__ = ["Overlap", "Tokenisation", "rouge_l", "rouge_n", "tokens"]

Tokenisation = Literal["en", "zh"]

_word_en = re.compile(r"[a-z0-9]+")


class Overlap(NamedTuple):
    """What an answer shares with its reference; all three are shares, 0 to 1."""

    precision: float
    recall: float
    f1: float
    """Harmonic mean; 0 where nothing is shared."""


def tokens(text: str, tokenisation: Tokenisation) -> list[str]:
    """The tokens of `text`."""
    return segment.tokens(text) if tokenisation == "zh" else _word_en.findall(text.lower())


def rouge_n(reference: str, answer: str, *, n: int, tokenisation: Tokenisation) -> Overlap:
    """ROUGE-n: n-grams in common, each counted as often as it stands in both texts.

    Raises:
        ValueError: n is below 1.
    """
    if n < 1:
        raise ValueError(f"n-grams of {n} tokens")
    wanted, given = (_ngrams(tokens(text, tokenisation), n) for text in (reference, answer))
    return _overlap((wanted & given).total(), wanted=wanted.total(), given=given.total())


def rouge_l(reference: str, answer: str, *, tokenisation: Tokenisation) -> Overlap:
    """ROUGE-L, sentence level: length of the longest common subsequence over each text's length."""
    wanted, given = tokens(reference, tokenisation), tokens(answer, tokenisation)
    return _overlap(_common_subsequence(wanted, given), wanted=len(wanted), given=len(given))


def _overlap(shared: int, *, wanted: int, given: int) -> Overlap:
    precision, recall = (shared / length if length else 0.0 for length in (given, wanted))
    f1 = 2 * precision * recall / (precision + recall) if shared else 0.0
    return Overlap(precision, recall, f1)


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, bit-parallel: one big-integer step a token of `second`.

    Hyyrö (2004), "Bit-parallel LCS-length computation revisited". Bit i of `row` is 0 where the table grows by one
    between positions i and i + 1 of `first`, so the zeros at the end are the length.
    """
    full = (1 << len(first)) - 1
    where: dict[str, int] = {}
    for index, word in enumerate(first):
        where[word] = where.get(word, 0) | 1 << index
    row = full
    for word in second:
        met = row & where.get(word, 0)
        row = ((row + met) | (row - met)) & full
    return len(first) - row.bit_count()
