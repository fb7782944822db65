"""Which script a text is in, and the units that it is counted in: words for alphabets, characters for Chinese."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

__all__ = ["language_of", "ngrams", "tokens"]

_han = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_kana = "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_scripts = {
    "zh": re.compile(f"[{_han}]"),
    "ja": re.compile(f"[{_kana}]"),
    "ko": re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"),
    "en": re.compile("[A-Za-z\u00aa\u00ba\u00c0-\u024f\uff21-\uff3a\uff41-\uff5a]"),
    "ru": re.compile("[\u0400-\u052f]"),
    "el": re.compile("[\u0370-\u03ff]"),
    "ar": re.compile("[\u0600-\u06ff\u0750-\u077f]"),
    "he": re.compile("[\u0590-\u05ff]"),
    "hi": re.compile("[\u0900-\u097f]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
}
_token = re.compile(f"[{_han}{_kana}]|[^\\W_{_han}{_kana}]+(?:['’.-][^\\W_{_han}{_kana}]+)*", re.UNICODE)
_word_worth = {"en": 5, "ru": 6, "el": 6}
"""Letters that say about as much as one Chinese character."""


def language_of(text: str) -> str:
    """The language whose script most of the text is in: `zh en ja ko ru el ar he hi th`, or `und`.

    It goes by script alone: every text in Latin letters is `en`. A letter of an alphabet weighs less than a Chinese
    character, so that a Chinese sentence with a long English name in it stays `zh`. Text without letters is `und`.
    """
    weights: Counter[str] = Counter()
    for language, pattern in _scripts.items():
        count = len(pattern.findall(text))
        if count:
            weights[language] = count * 60 // _word_worth.get(language, 1)
    if not weights:
        return "und"
    if weights["ja"] and weights["ja"] * 4 >= weights["zh"]:
        weights["ja"] += weights["zh"]
    return weights.most_common(1)[0][0]


def tokens(text: str) -> list[str]:
    """The text's units in order, lower-cased: each Chinese or kana character alone, other scripts by word."""
    return [match.lower() for match in _token.findall(text)]


def ngrams(units: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All runs of `n` units; empty where there are fewer."""
    return [tuple(units[i : i + n]) for i in range(len(units) - n + 1)]
