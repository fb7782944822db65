"""Noise for those who have marked none: the corpus' own rows spoilt in known ways, and lines that belong to no corpus.

The lines (small talk, advertisements, boilerplate, markup and logs, in English and Chinese) are ours and ship with the
package, `judge/lines`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from random import Random
from types import MappingProxyType
from typing import NamedTuple

from seekloop.system import seeds
from seekloop.text.segment import language_of, tokens

__all__ = ["KINDS", "Planted", "plant"]

KINDS = ("chat", "advert", "boilerplate", "junk", "disorder", "mash", "garbled", "spliced", "cut")
"""What is planted, in turn."""
_keyboard = "qwertyuiop asdfghjkl zxcvbnm"
_marks = "#$%^&*|/\\<>{}[]=+~_;0123456789"


class Planted(NamedTuple):
    """A piece of noise."""

    text: str
    kind: str
    source: int
    """Place of the text that it was made of, or that lent it its fold."""


def plant(texts: Sequence[str], *, count: int, seed: int) -> list[Planted]:
    """`count` pieces of noise made of these texts, kinds in turn; the same for the same texts and seed.

    A text that a kind cannot spoil (one word has no order) is spoilt by mashing the keyboard.
    """
    lines = {language: _lines(language) for language in ("en", "zh")}
    made = []
    for number in range(count):
        chance = Random(seeds.derive(seed, "plant", number))
        source, kind = chance.randrange(len(texts)), KINDS[number % len(KINDS)]
        text = texts[source]
        language = "zh" if language_of(text) == "zh" else "en"
        if kind in _spoilers:
            found = _spoilers[kind](text, chance)
            if found == text or not found.strip():
                found, kind = _mash(text, chance), "mash"
        else:
            found = _filled(chance.choice(lines[language][kind]), text, chance=chance)
        made.append(Planted(found, kind, source))
    return made


def _lines(language: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    text = resources.files("seekloop.data.judge").joinpath("lines", f"{language}.txt").read_text("utf-8")
    kind = ""
    for line in text.splitlines():
        if line.startswith("[") and line.strip("[]") in KINDS:
            kind = line.strip("[]")
        elif line and not line.startswith("# "):
            found.setdefault(kind, []).append(line)
    return found


def _filled(line: str, text: str, *, chance: Random) -> str:
    """A line with its slots filled, sometimes with something before or after it."""
    words = tokens(text) or ["x"]
    line = line.replace("{n}", str(chance.randrange(10 ** chance.randrange(1, 6)))).replace("{w}", chance.choice(words))
    ends = ("", "", "", "!", "!!!", " :)", "~", "...", f" {chance.randrange(1000)}")
    return line + chance.choice(ends)


def _disorder(text: str, chance: Random) -> str:
    """The text's words, or characters, in another order."""
    is_chinese = language_of(text) == "zh"
    parts = list(text[:80]) if is_chinese else text.split()[:16]
    if len(parts) < 4:
        return text
    chance.shuffle(parts)
    return ("" if is_chinese else " ").join(parts)


def _mash(text: str, chance: Random) -> str:
    """Keys hit at random, about as many as the text has."""
    keys = chance.choice(_keyboard.split()) if chance.random() < 0.3 else _keyboard.replace(" ", "") + "     "
    return "".join(chance.choice(keys) for _ in range(min(max(len(text), 5), 60)))


def _garbled(text: str, chance: Random) -> str:
    """Read in an encoding that it is not written in, once or twice."""
    if text.isascii():
        text = text.replace(" ", chance.choice(("\u00a0", " \u2019", " \u00e9", "\u2014")))
    wrong = chance.choice(("cp1252", "gb18030", "latin-1"))
    for _ in range(chance.choice((1, 1, 2))):
        text = text.encode("utf-8").decode(wrong, "replace")
    return text


def _spliced(text: str, chance: Random) -> str:
    """Pieces of the text with marks and figures between them."""
    parts = [text[place : place + chance.randrange(1, 6)] for place in range(0, min(len(text), 60), 6)]
    return "".join(part + "".join(chance.choices(_marks, k=chance.randrange(1, 5))) for part in parts)


def _cut(text: str, chance: Random) -> str:
    """A piece out of the middle, cut inside words."""
    if len(text) < 12:
        return text
    size = max(4, len(text) // chance.randrange(4, 8))
    start = chance.randrange(1, len(text) - size)
    return text[start : start + size]


_spoilers: Mapping[str, Callable[[str, Random], str]] = MappingProxyType(
    {"disorder": _disorder, "mash": _mash, "garbled": _garbled, "spliced": _spliced, "cut": _cut}
)
