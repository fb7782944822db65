"""Rows that are sought in artifacts: by whose they are, by id, by the answer or file that they come from; and what was
made of them.

A file is read as JSON rather than as rows. What was made of a row (copies, variants, what a teacher wrote from it)
names it in its `meta`; a row that nobody is named for and that is a twin of a row sought is taken for a copy of it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Artifact, Corpus, Dataset

__all__ = ["Holding", "Seeker", "Sought"]

_files: dict[str, tuple[str, ...]] = {
    "corpus": ("rows.jsonl",),
    "dataset": ("train.jsonl", "validation.jsonl", "test.jsonl", "dropped.jsonl"),
}
_made_from = ("mixed_from", "resampled_from", "augmented_from", "taught_from")
_taught = ("train.jsonl", "calibration.jsonl", "epoch-")
"""Files of a dataset whose rows weights are made from, by their beginnings."""


@dataclass(frozen=True, kw_only=True)
class Holding:
    """The rows that are sought in one artifact."""

    artifact: str
    """Id of a corpus or dataset."""
    rows: dict[str, tuple[str, ...]]
    """Ids of the rows, by file; files without any are left out. Views of train rows are not among the files."""
    made: int = 0
    """Those of them that were made of others: copies, variants, what a teacher wrote."""
    copies: int = 0
    """Those of them that are nobody's and a twin of one that is sought."""
    replayed: int = 0
    """Those of them that were replayed from another dataset."""
    views: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """As `rows`, for the files that show train rows again."""
    sources: dict[str, int] = field(default_factory=dict)
    """Where they were read -> how many."""

    @property
    def count(self) -> int:
        """Rows, all files together."""
        return sum(len(ids) for ids in self.rows.values())

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the rows, of views too."""
        return frozenset(one for ids in (*self.rows.values(), *self.views.values()) for one in ids)

    @property
    def is_taught(self) -> bool:
        """Whether weights that were made from this artifact were made from these rows."""
        return any(name.startswith(_taught) for name in (*self.rows, *self.views))


@dataclass(frozen=True, kw_only=True)
class Sought:
    """Which rows are sought."""

    owns: Callable[[str], bool] = lambda _subject: False
    """Of a row's subject."""
    rows: frozenset[str] = frozenset()
    answers: Collection[str] = frozenset()
    """Answers that rows came back from."""
    files: frozenset[str] = frozenset()
    """Sources, as rows name them."""

    def __call__(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is one of them by itself."""
        subject, origin = row.get("subject"), row.get("origin")
        return (
            (subject is not None and self.owns(subject))
            or (origin is not None and origin in self.answers)
            or row["id"] in self.rows
            or row["source"]["file"] in self.files
        )


class Seeker:
    """Looks through corpora and datasets, oldest first: what was made of a row is found in later ones, too.

    Args:
        sought: which rows.
        ctx: the project.
        known: ids of rows that are known to be among them.
    """

    def __init__(self, sought: Sought, *, ctx: RunContext, known: Collection[str] = ()) -> None:
        self._sought = sought
        self._ctx = ctx
        self.known: set[str] = {*sought.rows, *known}
        """Ids of every row found so far."""
        self.copies: set[str] = set()
        """Those of them that are copies: earlier artifacts may have them too."""

    def holding(self, artifact: Artifact) -> Holding | None:
        """The rows that are sought in an artifact; None where there are none.

        Raises:
            ArtifactError: a file of rows is missing.
        """
        assert isinstance(artifact, Corpus | Dataset)
        scan = _Scan(self._sought, self.known)
        main = _files[artifact.kind]
        views = sorted(name for name in artifact.files if name.endswith(".jsonl") and name not in main)
        for name in (*main, *views):
            if name in artifact.files:
                scan.read(name, self._ctx.store.path(artifact.id, name))
        found = scan.closed()
        if not found:
            return None
        self.known |= found
        self.copies |= scan.copies
        return scan.holding(artifact.id, main=main)


class _Scan:
    """One artifact's rows."""

    def __init__(self, sought: Sought, known: Collection[str]) -> None:
        self._sought = sought
        self._known = known
        self._found: set[str] = set()
        self._made: defaultdict[str, list[str]] = defaultdict(list)
        """Row -> rows that were made of it."""
        self._copies: defaultdict[str, list[str]] = defaultdict(list)
        """Row -> its twins."""
        self._nobodys: set[str] = set()
        self._paths: dict[str, Path] = {}
        self.copies: set[str] = set()
        """Rows that are nobody's, and twins of one that is sought."""

    def read(self, name: str, path: Path) -> None:
        """Take in one file."""
        self._paths[name] = path
        for row in _light(path):
            identity, meta = row["id"], row.get("meta", {})
            is_nobodys = row.get("subject") is None and row.get("origin") is None
            if self._sought(row) or (identity in self._known and (is_nobodys or _is_made(meta))):
                self._found.add(identity)
            for parent in _parents(meta):
                self._made[parent].append(identity)
            twin = row.get("twin")
            if twin is not None:
                self._copies[twin].append(identity)
                self._copies[identity].append(twin)
            if is_nobodys:
                self._nobodys.add(identity)

    def closed(self) -> set[str]:
        """Every row that is sought, that was made of one, or that is nobody's copy of one."""
        pending = [*self._found, *(one for one in self._made if one in self._known)]
        while pending:
            one = pending.pop()
            near = [twin for twin in self._copies.get(one, ()) if twin in self._nobodys]
            self.copies.update(near)
            for other in (*self._made.get(one, ()), *near):
                if other not in self._found:
                    self._found.add(other)
                    pending.append(other)
        return self._found

    def holding(self, artifact: str, *, main: Collection[str]) -> Holding:
        """What was found, by file: the files are read again, which memory for every row of them is saved by."""
        rows: dict[str, tuple[str, ...]] = {}
        views: dict[str, tuple[str, ...]] = {}
        counts = dict.fromkeys(("made", "copies", "replayed"), 0)
        sources: defaultdict[str, int] = defaultdict(int)
        for name, path in self._paths.items():
            found = [row for row in _light(path) if row["id"] in self._found]
            if found:
                (rows if name in main else views)[name] = tuple(row["id"] for row in found)
            for row in found if name in main else ():
                meta = row.get("meta", {})
                made = _is_made(meta)
                counts["made"] += made
                counts["replayed"] += "replayed_from" in meta
                counts["copies"] += not made and not self._sought(row)
                sources[row["source"]["file"]] += 1
        return Holding(artifact=artifact, rows=rows, views=views, sources=dict(sources), **counts)


def _is_made(meta: Mapping[str, Any]) -> bool:
    return next(_parents(meta), None) is not None


def _parents(meta: Mapping[str, Any]) -> Iterator[str]:
    """Rows that a row was made of."""
    for name in _made_from:
        if name in meta:
            yield meta[name]
    synthetic = meta.get("synthetic")
    if isinstance(synthetic, Mapping):
        yield from synthetic.get("seeds", ())


def _light(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)
