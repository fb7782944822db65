"""The terms of a text, for telling what a group of texts is about: words and pairs of words, runs of characters."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from seekloop.text import segment

__all__ = ["named_terms", "pieces", "stands_alone", "tells"]

_longest_run = 4
_piece = 4
_first = "\u3005"
"""The first Chinese or Japanese character there is."""
_english = (
    "a about after all also am an and any are as at be because been but by can can't could did do does don't for from "
    "get got had has have he her here him his how i i'm i've if in into is isn't it it's its just like me more my need "
    "no not now of on one or our out please she should so some still than that the their them then there these they "
    "this to up us want was we were what what's when where which who why will with won't would yes you your"
)
_function_words = frozenset(_english.split())
_function_characters = frozenset(
    "的了吗呢吧啊我你您他她它们是在有没么怎什请问为这那个就都也还很和与能会要想可以把被给到过多少"
)


def named_terms(text: str) -> set[str]:
    """What a reader would call the text by: words and pairs of neighbouring words; of Chinese, runs of two to four.

    Scripts without spaces are cut into characters by `segment.tokens`, so their runs stand for words.
    """
    found: set[str] = set()
    for alone, run in groupby(segment.tokens(text), key=_is_character):
        units = list(run)
        if alone:
            lengths = range(2, _longest_run + 1)
            found.update("".join(gram) for length in lengths for gram in segment.ngrams(units, length))
        else:
            found.update(unit for unit in units if len(unit) > 1)
            found.update(" ".join(gram) for gram in segment.ngrams(units, 2))
    return found


def tells(term: str) -> bool:
    """Whether a term can name something: no word of it is a function word, no such character begins or ends it."""
    if _is_character(term[0]):
        return not {term[0], term[-1]} & _function_characters
    return not any(word in _function_words for word in term.split())


def stands_alone(term: str, texts: Iterable[str]) -> bool:
    """Whether a term is a word and no piece of one: always, but for runs of characters.

    Those are words where different characters stand before them, and different ones after (Harris 1955): in a text on
    fees, `续费` always follows `手`.
    """
    if not _is_character(term[0]):
        return True
    before: set[str] = set()
    after: set[str] = set()
    for text in texts:
        at = text.find(term)
        while at >= 0:
            before.add(text[at - 1 : at])
            after.add(text[at + len(term) : at + len(term) + 1])
            if len(before) > 1 and len(after) > 1:
                return True
            at = text.find(term, at + 1)
    return False


def pieces(text: str) -> set[str]:
    """`named_terms` of at most two units, and the four-letter pieces of words: `transfers` and `transferred` meet."""
    found = {term for term in named_terms(text) if " " in term or not _is_character(term[0]) or len(term) == 2}
    for word in segment.tokens(text):
        if not _is_character(word):
            inside = f"^{word}$"
            found.update(f"~{inside[at : at + _piece]}" for at in range(max(1, len(inside) - _piece + 1)))
    return found


def _is_character(unit: str) -> bool:
    """Whether it is one character of a script that has no spaces between words."""
    return len(unit) == 1 and unit >= _first and segment.language_of(unit) in ("zh", "ja")
