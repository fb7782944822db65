"""Names by our own rules, without a dependency: readings of a Chinese sentence, and English words with capitals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from seekloop.text.pii.kinds import Finding
from seekloop.text.pii.names_en import english
from seekloop.text.pii.names_zh import cut, labelled
from seekloop.text.pii.names_zh_bodies import bodies, places

__all__ = ["RuleNames", "open_rules"]

_han = re.compile("[\u4e00-\u9fff]")
_others = re.compile("[\u0400-\u1fff\u3040-\u30ff\uac00-\ud7af]")
_letters = re.compile("[A-Za-zÀ-\u024f\u4e00-\u9fff]")
_capital = re.compile("[A-ZÀ-Þ]")
_least = 0.5


class RuleNames:
    """Names in Chinese and English texts."""

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Findings of each text, in order and without overlaps."""
        return [_chosen(_names(text)) for text in texts]


def open_rules() -> RuleNames:
    """The rules; they need nothing."""
    return RuleNames()


def _names(text: str) -> Iterable[Finding]:
    """What may be a name; of those that overlap, the earlier has the place."""
    foreign = len(_others.findall(text))
    if foreign and foreign * 4 > len(_letters.findall(text)):
        return
    if _han.search(text):
        reading = cut(text)
        bodied = [*bodies(text, reading), *places(text, reading)]
        for piece in sorted(bodied, key=lambda one: one.start - one.end):
            yield Finding(piece.kind, piece.start, piece.end, piece.confidence)
        for piece in labelled(text):
            yield Finding("person", piece.start, piece.end, piece.confidence)
        for piece in sorted(reading.names, key=lambda one: -one.confidence):
            if piece.kind == "person" and piece.confidence >= _least:
                yield Finding("person", piece.start, piece.end, piece.confidence)
    elif _capital.search(text):
        yield from english(text)


def _chosen(candidates: Iterable[Finding]) -> list[Finding]:
    found: list[Finding] = []
    for new in candidates:
        if all(new.end <= one.start or new.start >= one.end for one in found):
            found.append(new)
    return sorted(found, key=lambda one: one.start)
