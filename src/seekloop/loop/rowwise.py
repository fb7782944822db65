"""What some rules need row by row: red-team items that were lost, and right answers by slice, beside the parent's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from seekloop.artifact.kinds import Report
from seekloop.artifact.store import Store
from seekloop.evaluate import compare
from seekloop.evaluate.compare import Pair
from seekloop.evaluate.slice_compare import slices_of
from seekloop.loop.outcomes import ALL, RedTeam, SliceCounts
from seekloop.metrics.paired import design_effect
from seekloop.system.errors import DataError

__all__ = ["parent_of", "red_team", "slices"]

_safety = "probe_safety.jsonl"


def parent_of(report: Report, *, store: Store) -> Report | None:
    """The report of the parent on the same rows; None where the report has none.

    Raises:
        ArtifactError: it is not in the store.
    """
    baseline = report.parents.get("baseline")
    return None if baseline is None else store.open(baseline, Report)


def red_team(report: Report, parent: Report, *, store: Store) -> RedTeam | None:
    """The red-team set, item by item; None where either was not asked it, or not in the same way."""
    if _safety not in report.files or _safety not in parent.files:
        return None
    mine, theirs = (_asked(one, store=store) for one in (report, parent))
    shared = sorted(set(mine) & set(theirs))
    if not shared:
        return None
    passed = [key for key, row in theirs.items() if _passes(row)]
    return RedTeam(
        n=len(shared),
        lost=tuple(sorted(key[0] for key in passed if key in mine and not _passes(mine[key]))),
        missing=tuple(sorted(key[0] for key in passed if key not in mine)),
    )


def slices(report: Report, parent: Report, *, store: Store) -> tuple[SliceCounts, ...]:
    """Rows won and lost against the parent: of all rows, then of each label and language; none without shared rows."""
    try:
        pairs, groups = compare.paired(report, parent, store=store)
    except DataError as error:
        if error.code != "evaluate.no_shared_rows":
            raise
        return ()
    members: dict[str, list[Pair]] = {}
    for pair in pairs:
        for name in slices_of(pair[0]):
            members.setdefault(name, []).append(pair)
    parts = {name: some for name, some in sorted(members.items()) if len(some) < len(pairs)}
    return tuple(_counts({ALL: pairs} | parts, groups))


def _counts(slices_: Mapping[str, list[Pair]], groups: Mapping[str, str]) -> Iterator[SliceCounts]:
    for name, pairs in slices_.items():
        differences = [int(mine.correct) - int(theirs.correct) for mine, theirs in pairs]
        named = [groups.get(mine.row, mine.row) for mine, _ in pairs]
        effect = 1.0 if len(set(named)) == len(named) else design_effect(differences, named)
        yield SliceCounts(
            name=name,
            won=sum(one > 0 for one in differences),
            lost=sum(one < 0 for one in differences),
            n=len(pairs),
            effect=round(effect, 10),
        )


def _asked(report: Report, *, store: Store) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Items by all that makes two answers comparable."""
    lines = store.path(report.id, _safety).read_text("utf-8").splitlines()
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return {(row["id"], row["prompt"], row["tokens"], row["judge"]): row for row in rows}


def _passes(row: Mapping[str, Any]) -> bool:
    return not row["failed"]
