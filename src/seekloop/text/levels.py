"""The levels of normalising, each a dial of its own, behind one do-not-touch mask; changes are counted by kind."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import field_validator, model_validator

from seekloop.system.spec import Spec
from seekloop.text import normalize, numbers, punctuation, times
from seekloop.text.moments import Reading, Written
from seekloop.text.protect import CODE, Patterns, outside, rewrite, spans
from seekloop.text.script import Region, simplified, traditional

__all__ = ["NormaliseSpec", "Normaliser"]

_rounds = 6
_capital = re.compile(r"[A-Z\u00c0-\u00de\u0391-\u03a9\u0410-\u042f]+")

_Level = Callable[[str, dt.datetime | None], tuple[str, Counter[str]]]


class NormaliseSpec(Spec):
    """One written form: `true` for the first two levels, `false` for none, or each level by itself."""

    unicode: bool = True
    """Composed characters, half-width letters and digits, no unseen characters; not full NFKC, which changes `x²`."""
    whitespace: bool = True
    """No spaces at the ends, no runs of them, at most one blank line."""
    punctuation: bool = False
    """Full-width marks in Chinese sentences, half-width ones in others."""
    repeats: bool = False
    """A mark that stands several times in a row is written once: `！！！` becomes `！`."""
    case: Literal["keep", "lower"] = "keep"
    """`lower`: small letters."""
    script: Literal["keep", "simplified", "traditional"] = "keep"
    """Chinese characters in one script; needs the extra `data`."""
    region: Region = "standard"
    """Whose traditional characters are read or written."""
    words: bool = False
    """With `region: taiwan`, words follow the script too: `軟體` becomes `软件`."""
    numbers: Literal["keep", "digits", "words"] = "keep"
    """`digits`: 一百二十八块五毛 becomes 128.50元; `words`: as it is read aloud, for speech."""
    times: Literal["keep"] | Written = "keep"
    """`iso` or `spaced`: 明天下午三点 becomes 2026-11-23T15:00 or 2026-11-23 15:00, where the record has a time."""
    day_first: bool | None = None
    """Whether 3/5/2026 is the third of May; None: it stays unless only one reading is possible."""
    zone: str | None = None
    """Zone of the people who wrote, such as `Asia/Shanghai`, for records whose time is in another."""
    keep: tuple[str, ...] = ()
    """Patterns (regular expressions) that no level touches, such as product names."""

    @model_validator(mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        return {"unicode": value, "whitespace": value} if isinstance(value, bool) else value

    @field_validator("keep")
    @classmethod
    def _are_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern} is no regular expression: {error}") from error
        return value

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, value: str | None) -> str | None:
        try:
            return value if value is None else ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"there is no time zone {value}") from error


class Normaliser:
    """The levels of a spec as one function of a text; keep one and use it for many texts."""

    def __init__(self, spec: NormaliseSpec) -> None:
        self.spec = spec
        self._keep: Patterns = tuple(re.compile(pattern) for pattern in spec.keep)
        self._levels = self._chosen()

    def __call__(self, text: str, *, at: dt.datetime | None = None) -> tuple[str, Counter[str]]:
        """The text in the chosen form, and how many changes of each kind there were; again, it changes nothing.

        Args:
            text: any text.
            at: when it was said, for relative times; with a zone it is moved to the spec's.
        """
        counts: Counter[str] = Counter()
        text = self.plain(text)
        if not self._levels:
            return text, counts
        at = None if at is None else times.local(at, self.spec.zone)
        for _ in range(_rounds):  # one level can make another's work: 二十 behind a mark that was narrowed
            before = text
            for level in self._levels:
                text, found = level(text, at)
                counts += found
            text = self.plain(text)
            if text == before:
                break
        return text, counts

    def plain(self, text: str) -> str:
        """The levels `unicode` and `whitespace` alone: for labels, arguments of tools and whatever is no prose."""
        if not self._keep and "`" not in text and "~~~" not in text:
            text = normalize.compose(text) if self.spec.unicode else text
            return normalize.tidy(text) if self.spec.whitespace else text
        text = normalize.scrub(text)
        if self.spec.unicode:
            text = outside(text, normalize.compose, held=self._held(text))
        return self._tidied(text) if self.spec.whitespace else text

    def _tidied(self, text: str) -> str:
        """`normalize.tidy`, save inside what is kept: code and the user's patterns."""
        held = self._held(text)
        for start, end in held:
            if normalize.tidy(text[start:end]) != text[start:end]:
                head, tail = text[: held[0][0]], text[held[-1][1] :]
                return head.lstrip("\n") + text[held[0][0] : held[-1][1]] + tail.rstrip()
        return normalize.tidy(text)

    def _held(self, text: str) -> list[tuple[int, int]]:
        return spans(text, keep=self._keep, fixed=CODE)

    def _chosen(self) -> list[_Level]:
        spec, keep = self.spec, self._keep
        change = numbers.to_words if spec.numbers == "words" else numbers.to_digits
        wanted: tuple[tuple[bool, _Level], ...] = (
            (spec.script != "keep", lambda text, _: self._scripted(text)),
            (spec.repeats, lambda text, _: _counted("repeats", punctuation.once(text, keep=keep))),
            (spec.punctuation, lambda text, _: _counted("punctuation", punctuation.by_language(text, keep=keep))),
            (spec.times != "keep", lambda text, at: times.resolve(text, self._reading(at), keep=keep)),
            (spec.numbers != "keep", lambda text, _: change(text, keep=keep)),
            (spec.case == "lower", lambda text, _: _counted("case", rewrite(text, _capital, edit=_lower, keep=keep))),
        )
        return [level for is_on, level in wanted if is_on]

    def _reading(self, at: dt.datetime | None) -> Reading:
        assert self.spec.times != "keep"  # the level is off then
        return Reading(at=at, day_first=self.spec.day_first, written=self.spec.times)

    def _scripted(self, text: str) -> tuple[str, Counter[str]]:
        spec, convert = self.spec, simplified if self.spec.script == "simplified" else traditional
        held = spans(text, keep=self._keep)
        new = outside(text, lambda piece: convert(piece, region=spec.region, words=spec.words), held=held)
        changed = 0 if new == text else sum(a != b for a, b in zip(text, new, strict=False))
        return new, Counter({"script": changed} if changed else {})


def _lower(match: re.Match[str]) -> str:
    return match[0].lower()


def _counted(kind: str, changed: tuple[str, int]) -> tuple[str, Counter[str]]:
    return changed[0], Counter({kind: changed[1]} if changed[1] else {})
