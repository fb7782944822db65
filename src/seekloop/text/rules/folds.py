"""What a character counts as when a rule looks at it: width, case, accents, look-alikes and unseen marks forgotten.

Every character folds alone, whatever stands beside it. That is what makes a verdict the same however a text is cut:
composing forms (NFKC) would look at neighbours, so letters are decomposed (NFKD) and their marks dropped instead.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from seekloop.text.script import simple_forms

__all__ = ["ENDERS", "GAP", "LEET", "OTHERS", "WIDE", "WORD", "Kind", "fold", "kind_of"]

Kind = Literal["word", "wide", "gap"]
WORD, WIDE, GAP = "\ue000", "\ue001", "\ue002"
"""Stand for all characters of a kind that no rule names; as input, private characters fold to nothing."""
OTHERS: Mapping[str, Kind] = MappingProxyType({WORD: "word", WIDE: "wide", GAP: "gap"})
ENDERS = frozenset("。!?;\n")
"""What ends a sentence: no evasion and no gap of a rule reaches over it."""
LEET: Mapping[str, str] = MappingProxyType(
    {"a": "4@", "b": "8", "e": "3", "g": "9", "i": "1!|", "l": "1|", "o": "0", "s": "5$", "t": "7+", "z": "2"}
)
"""Letter -> what is written for it."""
_alike = {
    # Cyrillic and Greek small letters that are drawn as Latin ones.
    **dict(zip("авеіїјкмнорсѕтухһԁԛԝɡɑıłøđħŧ", "abeiijkmhopcstyxhdqwgailodht", strict=True)),
    **dict(zip("αβγεηικμνορτυχωζ", "abyenikmvoptuxwz", strict=True)),
}
_letters = (0x1F1E6, 0x1F150, 0x1F170, 0x1F130)
"""Where runs of A to Z begin that have no plain form: flags and letters in boxes."""
_tags = range(0xE0020, 0xE007F)
"""Unseen doubles of ASCII, which people cannot read and tokenizers can."""
_dropped = frozenset({"Mn", "Me", "Cf", "Cc", "Co", "Cs", "Cn"})
_wide_from, _jamo = 0x2E80, range(0x1100, 0x1200)


@functools.cache
def _traditional() -> Mapping[int, int]:
    return simple_forms()


def fold(character: str) -> str:
    """What rules see of one character: nothing, or one or more characters."""
    if character.isascii():
        return _plain(character)
    code = ord(character)
    if code in _tags:
        return _plain(chr(code - 0xE0000))
    for begin in _letters:
        if begin <= code < begin + 26:
            return chr(ord("a") + code - begin)
    if character in "\u2028\u2029\x85":
        return "\n"
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(map(_one, parts))


def _one(part: str) -> str:
    if part.isascii():
        return _plain(part)
    if unicodedata.category(part) in _dropped:
        return ""
    if part.isspace():
        return " "
    return _alike.get(part) or chr(_traditional().get(ord(part), ord(part)))


def _plain(character: str) -> str:
    if character == "\n":
        return "\n"
    if character == "\t":
        return " "
    return character.lower() if character.isprintable() else ""


def kind_of(folded: str) -> Kind:
    """Of a folded character: part of a word with spaces around it, of a script without them, or neither."""
    if (known := OTHERS.get(folded)) is not None:
        return known
    if not folded.isalnum():
        return "gap"
    code = ord(folded)
    return "wide" if code >= _wide_from or code in _jamo else "word"
