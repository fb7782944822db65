"""What an endpoint wrote: the JSON objects in it, mended where that is safe, and whether it refuses to answer."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["is_refusal", "objects", "without_thought"]

_refusals = re.compile(
    r"\W*(?:as an ai\b|作为(?:一个|一名|一款)?(?:ai|人工智能|(?:大|大型)?(?:语言)?模型)"
    r"|(?:i(?:'|’)?m (?:very )?sorry|i am (?:very )?sorry|sorry|i apologi[sz]e)?[,. ]*(?:but )?"
    r"i(?: can(?:no|'|’)t| am unable to| am not able to|(?:'|’)m unable to|(?:'|’)m not able to| won(?:'|’)t)"
    r" (?:assist|help with|comply|fulfil|create|generate|write|produce|paraphrase|do (?:that|this))"
    r"|(?:(?:很|非常|十分)?(?:抱歉|对不起|遗憾)[，,。！!、 ]*)?(?:但(?:是)?)?我(?:无法|不能)"
    r"(?:提供(?:这|该|此|任何)|回答(?:这|该|此)|满足|完成(?:这|该|此)|协助|生成|改写|创作|讨论))",
    re.IGNORECASE,
)
_fence = re.compile(r"```(?:json|JSON)?\s*\n?(.*?)```", re.DOTALL)
_thought = re.compile(r"<think>.*?</think>", re.DOTALL)
_tries = 64
"""Braces that are tried: a long text of braces must not cost more than it is worth."""
_trailing_comma = re.compile(r",(?=\s*[}\]])")


def is_refusal(text: str) -> bool:
    """Whether a text begins as a model begins that will not answer, in English or Chinese."""
    return _refusals.match(text.strip()) is not None


def without_thought(text: str) -> str:
    """The text without what stands between `<think>` and `</think>`, outer blanks aside."""
    return _thought.sub("", text).strip()


def objects(text: str) -> Iterator[tuple[dict[str, Any], bool]]:
    """JSON objects in the text, fenced ones first, and whether each begins at the first brace of its place.

    Mended are only a comma before a closing bracket and raw line breaks inside strings: nothing is guessed.
    """
    for candidate in (*_fence.findall(text), text):
        first = start = candidate.find("{")
        tries = 0
        while start >= 0 and tries < _tries:
            value = _decoded(candidate[start:])
            if isinstance(value, dict):
                yield value, start == first
            start, tries = candidate.find("{", start + 1), tries + 1


def _decoded(text: str) -> object:
    decoder = json.JSONDecoder(strict=False)  # raw line breaks inside strings are let through
    for attempt in (text, _trailing_comma.sub("", text)):
        with contextlib.suppress(ValueError, RecursionError):
            return decoder.raw_decode(attempt)[0]
    return None
