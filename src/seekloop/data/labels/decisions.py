"""Decided labels: what people settled about rows, in files that stand over the labels of the sources.

A decision is one JSON object: `row`, `labels` (empty: the row is left out), `by`, `at`, `why`. They are the lines of a
file, or a file each in a queue's folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seekloop.system.errors import DataError

__all__ = ["AGREED", "DECISIONS", "Decision", "read_decisions"]

DECISIONS = "decisions"
"""Folder of a queue that holds a file a decision."""

AGREED = "agreed.jsonl"
"""File of a queue that holds what raters agreed on without it."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was settled about one row."""

    row: str
    labels: tuple[str, ...]
    """Empty: the row has no right label and is left out as `discarded`."""
    by: str
    at: str
    """ISO 8601."""
    why: str = ""
    """`by hand`, `majority`, `dawid-skene`, or the person's own words."""

    def as_json(self) -> dict[str, Any]:
        """Plain values, as in the files."""
        return {**asdict(self), "labels": list(self.labels)}


def read_decisions(path: Path, *, shown: str | None = None) -> dict[str, Decision]:
    """Row id -> decision; of two about one row, the later line stands.

    Args:
        path: JSON Lines, or a queue's folder, whose decided items stand over those that raters agreed on.
        shown: how to name it.

    Raises:
        DataError: a line is no decision; `file:line` is named.
    """
    name = shown or str(path)
    return {decision.row: decision for decision in _all(path, name)}


def _all(path: Path, name: str) -> Iterator[Decision]:
    if path.is_dir():
        if (path / AGREED).exists():
            yield from _all(path / AGREED, f"{name}/{AGREED}")
        for file in sorted((path / DECISIONS).glob("*.json")):
            yield _one(file.read_text("utf-8"), where=f"{name}/{DECISIONS}/{file.name}:1")
        return
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _one(line, where=f"{name}:{number}")


def _one(text: str, *, where: str) -> Decision:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise DataError("labels.bad_decision", problem=error, where=where) from error
    if not isinstance(value, Mapping) or not isinstance(value.get("row"), str):
        raise DataError("labels.bad_decision", problem="it names no row", where=where)
    labels = value.get("labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise DataError("labels.bad_decision", problem="labels is not a list of names", where=where)
    said = {part: str(value.get(part) or "") for part in ("by", "at", "why")}
    return Decision(row=value["row"], labels=tuple(labels), **said)
