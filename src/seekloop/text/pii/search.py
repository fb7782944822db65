"""Find personal data: one look at the characters that every finding has, then the patterns that the text can hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from seekloop.text.pii import context
from seekloop.text.pii.kinds import PERSONAL, Finding
from seekloop.text.pii.pattern import Pattern
from seekloop.text.pii.patterns import marks, possible

__all__ = ["LEAST", "find", "find_all", "view_of"]

LEAST = 0.5
"""Least confidence of a finding that counts."""
_wide = (
    {0xFF01 + i: chr(0x21 + i) for i in range(94)}
    | dict.fromkeys((0x3000, 0x00A0, 0x2002, 0x2003, 0x2009, 0x202F), " ")
    | dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE63), "-")
    | {0x24EA: "0"}
    | {0x2460 + i: str(i + 1) for i in range(9)}
)
_odd = re.compile(f"[{''.join(map(chr, _wide))}]")
_spoken = re.compile("[零〇一二三四五六七八九幺壹贰叁肆伍陆柒捌玖]{11,}")
_spoken_digits = str.maketrans("零〇一二三四五六七八九幺壹贰叁肆伍陆柒捌玖", "001234567891123456789")
_telling = re.compile("[0-9@=]")
"""Every finding has one of these, so that most texts need no more than one look."""
_digits = re.compile("[0-9]")


def find(text: str, *, kinds: Collection[str] = PERSONAL, least: float = LEAST) -> list[Finding]:
    """Personal data with a structure in `text`, in order and without overlaps.

    Full-width, circled and (eleven or more in a row) Chinese digits are read as digits.

    Args:
        text: of any length.
        kinds: those of `KINDS` to give back. The others are looked for all the same, so that an identity number that
            may stay is not taken for a card.
        least: confidence, 0 to 1, under which a finding is left out.
    """
    view = view_of(text)
    if not _telling.search(view):
        return []
    digits, low = len(_digits.findall(view)), context.lowered(view)
    taken = [match.span() for match in context.MASKS.finditer(view)] if "[" in view else []
    found: list[Finding] = []
    for pattern in possible(digits, marks(view, low)):
        if digits < pattern.digits:
            continue
        for match in pattern.regex.finditer(view):
            start, end = match.span(1)
            if taken and any(end > first and start < last for first, last in taken):
                continue
            if pattern.check is not None and not pattern.check(match[1]):
                continue
            confidence = 1.0 if pattern.proven else _confidence(pattern, low, start=start, end=end)
            if confidence >= least:
                taken.append((start, end))
                digits -= len(_digits.findall(view, start, end))
                if pattern.kind in kinds:
                    found.append(Finding(pattern.kind, start, end, confidence))
    return sorted(found, key=_place) if len(found) > 1 else found


def find_all(
    text: str, *, kinds: Collection[str] = PERSONAL, allow: Collection[str] = (), least: float = LEAST
) -> list[Finding]:
    """As `find`, and also what becomes a number only once its neighbour is gone.

    The number behind `…0396+44 7700 900456` is one only after the identity number before it is masked. Values in
    `allow`, such as the house's own hotline, are left out.
    """
    found = [one for one in find(text, kinds=kinds, least=least) if text[one.start : one.end] not in allow]
    while found:
        view = _Masked(text, found)
        more = [view.original(one) for one in find(view.text, kinds=kinds, least=least)]
        more = [one for one in more if text[one.start : one.end] not in allow]
        if not more:
            break
        kept = [one for one in found if not any(one.start >= new.start and one.end <= new.end for new in more)]
        found = sorted([*kept, *more], key=_place)
    return found


class _Masked:
    """A text with its findings masked, which knows where each place of it was."""

    def __init__(self, text: str, found: Sequence[Finding]) -> None:
        pieces: list[str] = []
        self._places: list[tuple[int, int, Finding | None]] = []
        """Where a piece begins here and in the text, and which finding it stands for."""
        here = there = 0
        for finding in found:
            mask = f"[{finding.kind.upper()}]"
            pieces += (text[there : finding.start], mask)
            self._places += ((here, there, None), (here + finding.start - there, finding.start, finding))
            here += finding.start - there + len(mask)
            there = finding.end
        self._places.append((here, there, None))
        self.text = "".join((*pieces, text[there:]))

    def original(self, finding: Finding) -> Finding:
        """A finding in the masked text as one in the text itself; whole masks that it spans stay spanned."""
        start, first = self._place(finding.start)
        end, last = self._place(finding.end - 1)
        return Finding(finding.kind, first.start if first else start, last.end if last else end + 1, finding.confidence)

    def _place(self, here: int) -> tuple[int, Finding | None]:
        begin, there, finding = next(place for place in reversed(self._places) if place[0] <= here)
        return there + here - begin, finding


def _place(finding: Finding) -> int:
    return finding.start


def view_of(text: str) -> str:
    """`text` with every digit, letter, dash and bracket in its plain form; each character stays at its place."""
    if text.isascii():
        return text
    if _odd.search(text):
        text = text.translate(_wide)
    if _spoken.search(text):
        text = _spoken.sub(lambda match: match[0].translate(_spoken_digits), text)
    return text


def _confidence(pattern: Pattern, low: str, *, start: int, end: int) -> float:
    if context.is_misnamed(low, start):
        return pattern.base / 2
    if pattern.context is not None:
        near = pattern.context.search(low, max(0, start - context.BEFORE), start)
        if near or pattern.context.search(low, end, end + context.AFTER):
            return max(pattern.base, 0.95)
    return pattern.base
