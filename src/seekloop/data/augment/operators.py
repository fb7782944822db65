"""Operators: a text and a source of chance in, another text out (None: nothing could be changed). No state, no files.

The first three say the same in other words. `context` adds what is beside the point. The others are boundary cases by
rule: what real users type when they hurry, paste, or switch languages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from types import MappingProxyType

from seekloop.data.augment.lexicon import Lexicon
from seekloop.text.segment import language_of

__all__ = ["context", "long", "mixed", "punctuation", "shuffle", "synonym", "typos"]

_word = re.compile(r"[A-Za-z][A-Za-z'-]*")
_han = re.compile(r"[\u4e00-\u9fff]+")
_mask = re.compile(r"\[[A-Z0-9_]+\]")
_sentence = re.compile(r"[^。！？；;.!?\n]+[。！？；;.!?\n]*")
_clause = re.compile(r"[^，,、：:]+[，,、：:]*")
_marks = re.compile(r"[。！？!?.，,~]+$")
_rows = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def synonym(text: str, random: Random, *, lexicon: Lexicon, rate: float) -> str | None:
    """Words replaced by others that can stand for them: `rate` of all words, one at least; masks stay."""
    spans = _replaceable(text, lexicon)
    if not spans:
        return None
    units = len(_word.findall(text)) + sum(len(run) for run in _han.findall(text)) // 2
    chosen = random.sample(spans, min(len(spans), max(1, round(rate * units))))
    for start, end in sorted(chosen, reverse=True):
        found = text[start:end]
        other = random.choice(lexicon.words[found.lower()])
        text = text[:start] + (other.capitalize() if found[:1].isupper() else other) + text[end:]
    return text


def shuffle(text: str, random: Random) -> str | None:
    """Sentences in another order, each with its own mark; of a single sentence its clauses, the marks staying."""
    sentences, clauses = (_parts(pattern, text) for pattern in (_sentence, _clause))
    parts = sentences if len(sentences) > 1 else clauses
    if len(parts) < 2:
        return None
    ends = [_ending(part) for part in parts]
    bare = [part[: len(part) - len(end)] for part, end in zip(parts, ends, strict=True)]
    order = list(range(len(bare)))
    while order == sorted(order):
        random.shuffle(order)
    gap = "" if language_of(text) in ("zh", "ja") else " "
    if parts is sentences:
        last = "." if gap else "。"
        return gap.join(bare[place] + (ends[place] or last) for place in order)
    return gap.join(bare[place] + end for place, end in zip(order, ends, strict=True))


def context(text: str, random: Random, *, distractors: Sequence[str]) -> str | None:
    """The text with a sentence beside the point before or after it, in its own language."""
    language = language_of(text)
    fitting = [line for line in distractors if language_of(line) == language and line not in text]
    if not fitting:
        return None
    gap = "" if language in ("zh", "ja") else " "
    line = random.choice(fitting)
    return f"{line}{gap}{text}" if random.random() < 0.5 else f"{_closed(text, language)}{gap}{line}"


def punctuation(text: str, random: Random) -> str | None:
    """The end repeated, as in haste: `???`, `！！！`, or none where there was a mark."""
    bare = _marks.sub("", text)
    if not bare.strip():
        return None
    wide = language_of(text) in ("zh", "ja")
    choices = ["？？？", "！！！", "。。。。", "，，", ""] if wide else ["???", "!!!", "....", " ?!", ""]
    choices = [mark for mark in choices if bare + mark != text]
    return bare + random.choice(choices)


def typos(text: str, random: Random, *, rate: float, homophones: Mapping[str, str]) -> str | None:
    """Slips of a keyboard: a neighbouring key, a letter twice, two swapped, or a character of the same sound.

    At most `rate` of the characters, one at least, never in masks, numbers or the first letter of a word.
    """
    hidden = {place for match in _mask.finditer(text) for place in range(*match.span())}
    inside = (place for place in range(len(text)) if place not in hidden)
    places = [place for place in inside if text[place] in homophones or _is_within_word(text, place)]
    if not places:
        return None
    chosen = random.sample(places, min(len(places), max(1, int(rate * len(text)))))
    for place in sorted(chosen, reverse=True):
        text = text[:place] + _slip(text[place], random, homophones=homophones) + text[place + 1 :]
    return text


def mixed(text: str, random: Random, *, pairs: Mapping[str, str]) -> str | None:
    """One word said in the other language, as people who work in both do: `帮我 check 一下`."""
    folded = text.lower()
    found = [word for word in pairs if _has_word(folded, word)]
    if not found:
        return None
    word = random.choice(sorted(found))
    start = folded.index(word)
    other = pairs[word]
    return f"{text[:start]}{other}{text[start + len(word) :]}"


def long(text: str, random: Random, *, chars: int, distractors: Sequence[str]) -> str | None:
    """The text drawn out with sentences beside the point to about `chars` characters, itself somewhere in between."""
    language = language_of(text)
    fitting = [line for line in distractors if language_of(line) == language]
    if not fitting or len(text) >= chars:
        return None
    parts: list[str] = []
    while sum(map(len, parts)) + len(text) < chars:
        parts += random.sample(fitting, len(fitting))
    parts.insert(random.randrange(len(parts) + 1), _closed(text, language))
    return ("" if language in ("zh", "ja") else " ").join(parts)


def _replaceable(text: str, lexicon: Lexicon) -> list[tuple[int, int]]:
    """Places of words that have synonyms; Chinese ones by longest match, two characters at least."""
    hidden = {place for match in _mask.finditer(text) for place in range(*match.span())}
    spans = [match.span() for match in _word.finditer(text) if match[0].lower() in lexicon.words]
    for run in _han.finditer(text):
        place = run.start()
        while place < run.end():
            longest = min(lexicon.longest, run.end() - place)
            size = next((n for n in range(longest, 1, -1) if text[place : place + n] in lexicon.words), 1)
            if size > 1:
                spans.append((place, place + size))
            place += size
    return sorted(span for span in spans if not hidden.intersection(range(*span)))


def _parts(pattern: re.Pattern[str], text: str) -> list[str]:
    return [part.strip() for part in pattern.findall(text) if part.strip()]


def _ending(part: str) -> str:
    match = re.search(r"[。！？；;.!?，,、：:]+$", part)
    return match[0] if match else ""


def _closed(text: str, language: str) -> str:
    return text if _marks.search(text) else text + ("。" if language in ("zh", "ja") else ".")


def _is_within_word(text: str, place: int) -> bool:
    return text[place].lower() in _neighbours and text[max(0, place - 1) : place].isalpha()


def _slip(letter: str, random: Random, *, homophones: Mapping[str, str]) -> str:
    if letter in homophones:
        return random.choice(homophones[letter])
    near = random.choice(_neighbours[letter.lower()])
    near = near.upper() if letter.isupper() else near
    return random.choice((near, letter + letter, letter + near))


def _has_word(text: str, word: str) -> bool:
    if not word.isascii():
        return word in text
    return re.search(rf"(?<![a-z]){re.escape(word)}(?![a-z])", text) is not None


def _adjacent() -> Mapping[str, str]:
    """Letter -> the letters beside it on a keyboard."""
    found: dict[str, str] = {}
    for number, row in enumerate(_rows):
        for place, letter in enumerate(row):
            others = _rows[number - 1] if number else ""
            found[letter] = row[max(0, place - 1) : place] + row[place + 1 : place + 2] + others[place : place + 2]
    return MappingProxyType(found)


_neighbours = _adjacent()
