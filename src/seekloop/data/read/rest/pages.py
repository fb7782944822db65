"""How records are shared out over answers: which request comes first, and which follows an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from seekloop.data.pulls import CursorPages, NumberedPages, OffsetPages, RestSpec
from seekloop.data.read.columns import value_at
from seekloop.data.read.rest.client import Answer
from seekloop.system.errors import DataError

__all__ = ["Place", "first", "following", "found_in", "is_past_the_end"]

Place = dict[str, Any]
"""A request, as a JSON value that a later run can go on from: `params` beside the spec's own, or a whole `url`; `at` is
the number or offset of the page."""


def first(spec: RestSpec, since: Mapping[str, str]) -> Place:
    """The first request of a pull."""
    pages = spec.pagination
    if isinstance(pages, NumberedPages):
        size = {pages.size_parameter: str(pages.size)} if pages.size else {}
        return {"at": pages.first, "params": {**since, **size, pages.parameter: str(pages.first)}}
    if isinstance(pages, OffsetPages):
        return {"at": 0, "params": {**since, pages.parameter: "0", pages.size_parameter: str(pages.size)}}
    return {"params": dict(since)}


def following(spec: RestSpec, place: Place, *, answer: Answer, count: int) -> Place | None:
    """The request after `answer`, which had `count` records; None: that was the last.

    Numbered pages end with one that is empty: one that is not full says nothing, as servers have limits of their own.

    Raises:
        DataError: the next address is on another host, where credentials must not go.
    """
    pages = spec.pagination
    if isinstance(pages, NumberedPages | OffsetPages):
        at = place["at"] + (1 if isinstance(pages, NumberedPages) else count)
        return {"at": at, "params": {**place["params"], pages.parameter: str(at)}} if count else None
    if isinstance(pages, CursorPages):
        return _by_cursor(pages, place, answer=answer, shown=spec.shown)
    return _at(answer.next_link, answer, shown=spec.shown) if pages.by == "link" and answer.next_link else None


def found_in(value: Any, path: str) -> Any:
    """What stands at a path in an answer; the answer itself for an empty path."""
    return value if not path else value_at(value, path) if isinstance(value, Mapping) else None


def is_past_the_end(spec: RestSpec, place: Place, *, answer: Answer) -> bool:
    """Whether the answer is how some servers say that there is no such page: 404, after the first one."""
    pages = spec.pagination
    return answer.status == 404 and isinstance(pages, NumberedPages) and place["at"] > pages.first


def _by_cursor(pages: CursorPages, place: Place, *, answer: Answer, shown: str) -> Place | None:
    if pages.more is not None and not found_in(answer.value, pages.more):
        return None
    if pages.end is not None and found_in(answer.value, pages.end):
        return None
    cursor = found_in(answer.value, pages.next)
    if cursor in (None, "", False):
        return None
    if pages.parameter is None:
        return _at(str(cursor), answer, shown=shown)
    return {"params": {**place["params"], pages.parameter: str(cursor)}}


def _at(address: str, answer: Answer, *, shown: str) -> Place:
    url = urljoin(answer.url, address)
    if urlsplit(url)[:2] != urlsplit(answer.url)[:2]:
        raise DataError("data.rest_other_host", host=urlsplit(url).netloc, where=shown)
    return {"url": url}
