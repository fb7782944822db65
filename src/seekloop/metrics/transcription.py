"""Word and character error rate of transcripts: `wer_en`, `cer_zh`.

Edits (substitutions, deletions, insertions; Levenshtein 1966) over the reference's tokens, summed over all pairs before
they are divided, so that a long recording counts for more than a short one. Case, width and punctuation do not count,
numbers do as they are written: `12` and `twelve` differ. Both texts are in simplified characters when they come here.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple

from seekloop.text import segment

__all__ = ["Errors", "error_rate", "errors", "interval", "units"]

_apostrophe = re.compile(r"(?<=\w)['’](?=\w)")


class Errors(NamedTuple):
    """What a transcript got wrong against its reference."""

    edits: int
    """Least number of tokens substituted, deleted and inserted."""
    tokens: int
    """Of the reference."""


def units(text: str, *, of: Literal["wer_en", "cer_zh"]) -> list[str]:
    """What is counted: words for `wer_en` (`don't` is one); for `cer_zh` every Chinese character and other letter."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if of == "wer_en":
        return re.findall(r"\w+", _apostrophe.sub("", folded))
    return [letter for token in segment.tokens(folded) for letter in token if letter.isalnum()]


def errors(reference: str, heard: str, *, of: Literal["wer_en", "cer_zh"]) -> Errors:
    """Edits between one reference and what was heard."""
    wanted, given = units(reference, of=of), units(heard, of=of)
    return Errors(_distance(wanted, given), len(wanted))


def error_rate(found: Sequence[Errors]) -> float:
    """All edits over all tokens of the references; may be above 1.

    Raises:
        ValueError: the references have no tokens.
    """
    tokens = sum(one.tokens for one in found)
    if tokens == 0:
        raise ValueError("no tokens in the references")
    return sum(one.edits for one in found) / tokens


def interval(found: Sequence[Errors], *, seed: int, rounds: int = 2_000) -> tuple[float, float] | None:
    """95 % interval of the rate by drawing recordings with replacement (Bisani and Ney 2004); None below two."""
    if len(found) < 2:
        return None
    chance = random.Random(seed)
    rates = sorted(error_rate(chance.choices(found, k=len(found))) for _ in range(rounds))
    return rates[int(0.025 * rounds)], rates[int(0.975 * rounds) - 1]


def _distance(first: Sequence[str], second: Sequence[str]) -> int:
    """Levenshtein distance, one row of the table at a time."""
    row = list(range(len(second) + 1))
    for index, one in enumerate(first, start=1):
        diagonal, row[0] = row[0], index
        for column, other in enumerate(second, start=1):
            diagonal, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, diagonal + (one != other)),
            )
    return row[-1]
