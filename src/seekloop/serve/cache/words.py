"""Whether two questions can have one answer: numbers, ids, negations and, where wanted, every word of content agree.

Nearness of vectors does not tell `activate` from `deactivate` or `1234` from `1243`; these rules do, and say no
where they do not know.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

from seekloop.text import segment

__all__ = ["Sense", "sense_of"]

_number = re.compile(r"[^\W_]*\d[^\W_]*(?:[.,:/-][^\W_]*\d[^\W_]*)*")
"""What has a digit in it, with everything that is written together with it: sums, dates, times, codes, card numbers."""
_quantities = (
    "zero one two three four five six seven eight nine ten eleven twelve hundred thousand million billion first second "
    "third last next once twice half double both more less another other only all every any"
)
_counts = frozenset([*_quantities.split(), *"零一二三四五六七八九十百千万亿两半几每上下前后全"])
_no = re.compile(
    r"n't$|^(?:no|not|never|none|without|cannot|nor|neither|nothing|except|dont|cant|wont|isnt|didnt|doesnt)$"
)
_no_zh = frozenset("不没无未别非勿莫否")
_courtesies = (
    "a about actually also am an and are as be been being could dear did do does for get getting got had has have "
    "hello help hey hi i if im is it its i've i'm it's i'd just know let like me might my now of ok okay or our please "
    "so some tell than thank thanks that the their them then there these they this us want was we well were will with "
    "would you your need anyway currently really"
)
_small = frozenset(_courtesies.split())
_small_zh = frozenset("的了吗呢吧啊呀我你您请这那就都也还很")
_courtesies_zh = re.compile("请问|麻烦|谢谢|多谢|你好|您好|帮我")
_ending = re.compile(r"(?<=[a-z]{3})(?:'s|s)$")


@dataclass(frozen=True, slots=True)
class Sense:
    """What must be the same in two questions with one answer."""

    numbers: tuple[str, ...]
    """Numbers, ids and words of quantity, in their order."""
    negations: int
    """How often something is denied."""
    words: tuple[str, ...]
    """Words of content in their order, without plural endings: where money goes from and to is told by order."""

    def agrees(self, other: Sense, *, words: bool) -> bool:
        """Whether one answer may serve both.

        Args:
            other: of the other question.
            words: whether the words of content must be the same too.
        """
        if self.numbers != other.numbers or self.negations != other.negations:
            return False
        return not words or self.words == other.words


@functools.lru_cache(maxsize=512)
def sense_of(text: str) -> Sense:
    """What a question says that its neighbour may not change."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    tokens = segment.tokens(_courtesies_zh.sub("", folded))
    numbers = [match[0] for match in _number.finditer(folded)]
    return Sense(
        numbers=(*numbers, *(token for token in tokens if token in _counts)),
        negations=sum(1 for token in tokens if _no.search(token) or token in _no_zh),
        words=tuple(_ending.sub("", token) for token in tokens if token not in _small and token not in _small_zh),
    )
