"""Whether an answer of the general probe is right. Pure, so that every rule can be tried without a model."""

from __future__ import annotations

import json
import re
import unicodedata

from seekloop.evaluate.probes.items import Check

__all__ = ["is_right"]

_number = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
_word = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")
_fence = re.compile(r"^```\w*\s*|\s*```$")
_edges = " \t\n.,;:!?\"'`*()[]。，；：！？“”‘’（）《》、"


def is_right(answer: str, check: Check) -> bool:
    """Whether `answer` is all that `check` says."""
    text = unicodedata.normalize("NFKC", answer).strip()
    return all(
        (
            check.number is None or _last_number(text) == check.number,
            not check.any or any(_holds(text, one, cased=check.cased) for one in check.any),
            not check.only or any(_case(_bare(text), check) == _case(_bare(one), check) for one in check.only),
            not check.starts or any(_case(_bare(text), check).startswith(_case(one, check)) for one in check.starts),
            check.lines is None or sum(bool(line.strip()) for line in text.splitlines()) == check.lines,
            check.at_most_words is None or len(_word.findall(text)) <= check.at_most_words,
            check.json_ is None or _object(text) == check.json_,
        )
    )


def _holds(text: str, part: str, *, cased: bool) -> bool:
    """Whether `part` stands in `text`; letters of a Latin word do not count inside another."""
    wanted = unicodedata.normalize("NFKC", part)
    pattern = rf"(?<![A-Za-z0-9]){re.escape(wanted)}(?![A-Za-z0-9])" if wanted.isascii() else re.escape(wanted)
    return re.search(pattern, text, 0 if cased else re.IGNORECASE) is not None


def _last_number(text: str) -> float | None:
    found = _number.findall(text)
    return float(found[-1].replace(",", "")) if found else None


def _object(text: str) -> object:
    try:
        value: object = json.loads(_fence.sub("", text))
    except ValueError:
        return None
    return value


def _bare(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip(_edges)


def _case(text: str, check: Check) -> str:
    return text if check.cased else text.casefold()
