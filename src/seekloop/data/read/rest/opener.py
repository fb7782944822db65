"""Pulls the records of an endpoint, a page at a time, into the spool of the source, and gives what is there then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from seekloop.data.pulls import NumberedPages, OffsetPages, RestSpec, SinceSpec
from seekloop.data.read.columns import listed, value_at
from seekloop.data.read.rest import pages
from seekloop.data.read.rest.client import Answer, Client
from seekloop.data.read.spool import Item, Spool, comparable, open_spool
from seekloop.data.read.stream import Desk, Stream
from seekloop.data.sources import SourceSpec
from seekloop.system import digests, secrets
from seekloop.system.errors import DataError

__all__ = ["open_rest"]

_patience = {"retries", "backoff_s", "per_minute", "timeout_s", "max_pages"}
"""Dials that do not change what is pulled."""


def open_rest(source: SourceSpec, desk: Desk) -> Iterator[Stream]:
    """The records of an endpoint: what this pull brought, and what earlier ones did.

    Raises:
        DataError: the server refuses, its faults do not end, or its answer is not as the spec says.
        UsageError: a secret that the spec names is not set.
    """
    assert source.rest is not None  # the table of readers has looked
    spec = source.rest
    identity = spec.model_dump(mode="json", exclude=_patience)
    with open_spool(desk.ctx.work, identity=identity, shown=spec.shown) as spool:
        with Client(spec, desk=desk) as client:
            _Pull(spec, spool, client=client, desk=desk).run()
        yield Stream(shown=spec.shown, container="rest", records=spool.records(), source=source)


class _Pull:
    """One pull, begun or gone on with."""

    def __init__(self, spec: RestSpec, spool: Spool, *, client: Client, desk: Desk) -> None:
        self._spec = spec
        self._spool = spool
        self._client = client
        self._desk = desk
        address, _, query = secrets.fill(spec.url).partition("?")
        if urlsplit(address).scheme not in ("http", "https"):
            raise DataError("data.rest_bad_url", where=spec.shown)
        self._url = address
        own = {name: secrets.fill(value) for name, value in spec.params.items()}
        self._params = {**dict(parse_qsl(query, keep_blank_values=True)), **own}
        self._last_page = ""

    def run(self) -> None:
        """Pull until the last page.

        The state in the spool: `number` of the pull, `place` of the next request (None: it is done), `pages` so far and
        `everything`: whether the pull asks for all records.
        """
        state = self._spool.state()
        goes_on = state.get("place") is not None
        if not goes_on:
            state = self._begun(state)
        answer = self._ask(state["place"])
        if goes_on and answer.value is None:  # cursors run out
            self._desk.say(f"{self._spec.shown}: the pull that was broken off cannot be gone on with; begun anew")
            state = self._begun(state)
            answer = self._ask(state["place"])
        while True:
            records = self._records(answer, state["place"])
            if self._is_again(records):
                answer = self._ask(state["place"])
                records = self._records(answer, state["place"])
                if self._is_again(records):
                    self._desk.say(f"{self._spec.shown}: page {state['pages'] + 1} is the one before; taken as the end")
                    records = []
            state = self._kept(records, answer, state=state)
            if state["place"] is None:
                break
            answer = self._ask(state["place"])
        self._done(state)

    def _begun(self, state: dict[str, Any]) -> dict[str, Any]:
        since = self._since()
        number = state.get("number", 0) + 1
        everything = self._spec.since is None or self._spool.newest() is None
        return {"number": number, "place": pages.first(self._spec, since), "pages": 0, "everything": everything}

    def _since(self) -> dict[str, str]:
        since = self._spec.since
        mark = None if since is None else self._spool.newest() or since.start
        return {} if since is None or mark is None else {since.parameter: _written(mark, since)}

    def _ask(self, place: pages.Place) -> Answer:
        if "url" in place:
            return self._client.get(place["url"], None)
        return self._client.get(self._url, {**self._params, **place["params"]} or None)

    def _records(self, answer: Answer, place: pages.Place) -> list[dict[str, Any]]:
        if pages.is_past_the_end(self._spec, place, answer=answer):
            return []
        if answer.value is None:
            raise DataError("data.rest_status", status=answer.status, where=self._spec.shown)
        found = pages.found_in(answer.value, self._spec.records)
        if found is None and self._spec.records and isinstance(answer.value, dict):
            parent, _, name = self._spec.records.rpartition(".")
            holder = pages.found_in(answer.value, parent)
            found = [] if isinstance(holder, dict) and name in holder else None
        if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
            keys = listed(list(answer.value)) if isinstance(answer.value, dict) else type(answer.value).__name__
            raise DataError("data.rest_no_records", path=self._spec.records or "-", found=keys, where=self._spec.shown)
        return found

    def _is_again(self, records: list[dict[str, Any]]) -> bool:
        """Whether a numbered page is the one before it: some servers give their last page for ever."""
        numbered = isinstance(self._spec.pagination, NumberedPages | OffsetPages)
        return bool(numbered and records) and digests.of_json(records) == self._last_page

    def _kept(self, records: list[dict[str, Any]], answer: Answer, *, state: dict[str, Any]) -> dict[str, Any]:
        """Keep a page and the way on in one transaction; returns the new state."""
        spec = self._spec
        following = pages.following(spec, state["place"], answer=answer, count=len(records))
        if following is not None and state["pages"] + 1 >= spec.max_pages:
            raise DataError("data.rest_too_many_pages", count=spec.max_pages, where=spec.shown)
        new = {**state, "place": following, "pages": state["pages"] + 1}
        items = [self._item(record) for record in records]
        is_same = following == state["place"]
        if is_same or not self._spool.put(items, pull=state["number"], state=new, place=following):
            raise DataError("data.rest_loop", page=new["pages"], where=spec.shown)
        self._last_page = digests.of_json(records)
        return new

    def _item(self, record: dict[str, Any]) -> Item:
        key = value_at(record, self._spec.key)
        if key is None or isinstance(key, dict | list):
            raise DataError("data.rest_no_key", key=self._spec.key, found=listed(list(record)), where=self._spec.shown)
        mark = None if self._spec.updated is None else value_at(record, self._spec.updated)
        return Item(key=str(key), value=record, mark=mark)

    def _done(self, state: dict[str, Any]) -> None:
        gone = self._spool.forget(before=state["number"] if state["everything"] and self._spec.since is None else 0)
        count = self._spool.count()
        if count == 0:
            raise DataError("data.empty", where=self._spec.shown)
        left = f", {gone} that are gone there left out" if gone else ""
        self._desk.say(f"{self._spec.shown}: {state['pages']} pages, {count} records in all{left}")


def _written(mark: Any, since: SinceSpec) -> str:
    """A time as the server wants to be asked for it."""
    if since.form == "as_is":
        return str(mark)
    seconds = comparable(mark)
    if isinstance(seconds, str) and seconds.isdecimal():
        return seconds
    return (
        str(int(seconds)) if isinstance(seconds, float) else str(int(dt.datetime.fromisoformat(str(mark)).timestamp()))
    )
