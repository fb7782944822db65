"""Batch files: the requests of the first round as the JSON Lines of OpenAI's batch API, and its results read back.

A batch costs about half and takes up to a day. What it answers lies in the same queue as other answers: `synthesise`
then finds the answers there and asks only what a batch could not settle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seekloop.data.synthesise.run import Session
from seekloop.runtime.endpoint.client import kept_of
from seekloop.runtime.endpoint.queue import Kept
from seekloop.system.errors import DataError
from seekloop.system.files import write_whole

__all__ = ["read_results", "write_requests"]


def write_requests(session: Session, path: Path) -> int:
    """Write the requests that have no answer yet as a batch file, whole or not at all; returns how many.

    Raises:
        ArtifactError: the disk is full.
    """
    lines = []
    for one in session.asker.pending(session.first_round()):
        request = {"custom_id": one.key, "method": "POST", "url": "/v1/chat/completions", "body": one.body}
        lines.append(json.dumps(request, ensure_ascii=False) + "\n")
    write_whole(path, "".join(lines).encode())
    return len(lines)


def read_results(session: Session, path: Path) -> tuple[int, int]:
    """Put the results of a batch into the queue; returns how many answers were taken, and how many lines have none.

    A line whose request failed is left for `synthesise` to ask. Results of other specs are not taken.

    Raises:
        DataError: a line is no result, named by file and line.
    """
    known = {one.key: one for one in session.asker.pending(session.first_round())}
    taken = left = 0
    for line, value in _results(path):
        pending = known.get(str(value.get("custom_id")))
        kept = None if pending is None else _answer(value, pending.body, where=f"{path.name}:{line}")
        if pending is None or kept is None:
            left += 1
            continue
        session.queue.put(pending.key, kept, item=pending.item.id)
        taken += 1
    return taken, left


def _results(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                raise DataError("data.bad_json", problem=error, where=f"{path.name}:{number}") from error
            if not isinstance(value, dict) or "custom_id" not in value:
                raise DataError("synthesise.no_result", where=f"{path.name}:{number}")
            yield number, value


def _answer(value: dict[str, Any], body: dict[str, Any], *, where: str) -> Kept | None:
    response = value.get("response")
    if value.get("error") or not isinstance(response, dict) or response.get("status_code") != 200:
        return None
    kept = kept_of(response.get("body"), body)
    if kept is None:
        raise DataError("synthesise.no_result", where=where)
    return kept
