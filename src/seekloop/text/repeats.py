"""Questions that are asked again: the first answer did not help.

Somebody who is answered and asks nearly the same shortly afterwards was not helped by the answer. How alike
two questions are is their `similarity`, in Chinese as in English.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from seekloop.text.similarity import similarity

__all__ = ["Asked", "repeated"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question and when its answer was complete."""

    id: str
    who: str
    """Questions of different askers are never compared."""
    at: dt.datetime
    answered: dt.datetime
    text: str


def repeated(asked: Iterable[Asked], *, within_s: float, alike: float) -> dict[str, str]:
    """Id of each question that was asked again -> id of the next one that did so.

    A question that was sent before the other's answer was there is no repetition: both were asked at once.

    Args:
        asked: in any order.
        within_s: seconds from an answer to the next question.
        alike: least similarity of the two texts, 0 to 1.
    """
    found: dict[str, str] = {}
    recent: dict[str, list[Asked]] = {}
    for one in sorted(asked, key=lambda one: (one.at, one.id)):
        before = [other for other in recent.get(one.who, []) if (one.at - other.answered).total_seconds() <= within_s]
        for other in before:
            again = other.answered <= one.at and other.id not in found
            if again and similarity(other.text, one.text) >= alike:
                found[other.id] = one.id
        recent[one.who] = [*before, one]
    return found
