"""Labelling: a row's label as the source wrote it becomes the class it means, decided labels first.

Rows of a class with too few rows go to the class above (`min_rows`). Everything here is a pure function of the row and
a frozen `Labelling`, so it can run anywhere.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seekloop.artifact.rows import Row
from seekloop.data.labels.decisions import Decision, read_decisions
from seekloop.data.labels.spec import LabelsSpec
from seekloop.data.labels.taxonomy import Taxonomy, ancestors
from seekloop.data.labels.taxonomy_files import read_taxonomy
from seekloop.system import digests
from seekloop.system.errors import DataError
from seekloop.text.labelled import SEPARATOR, join_labels, split_labels
from seekloop.text.normalize import normalize

__all__ = ["Labelling", "back_off", "labels_of", "levels", "relabel"]


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """What turns the labels of the sources into classes."""

    spec: LabelsSpec
    taxonomy: Taxonomy | None = None
    """None: any label is a class."""
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)
    """Class with too few rows -> the class above that takes them."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of the files that this was read from: taxonomy, decisions."""

    @classmethod
    def open(cls, spec: LabelsSpec, *, taxonomy: Path | None, decisions: Path | None) -> Labelling:
        """Read the files that `spec` names, found at these places.

        Raises:
            DataError: one of them cannot be read or does not hold what it should.
        """
        tree = Taxonomy.flat(spec.names) if spec.names else None
        marks: dict[str, str] = {}
        if taxonomy is not None:
            tree = read_taxonomy(taxonomy, shown=spec.taxonomy)
            marks["taxonomy"] = digests.of_file(taxonomy)
        decided: dict[str, Decision] = {}
        if decisions is not None:
            decided = read_decisions(decisions, shown=spec.decisions)
            marks["decisions"] = digests.of_json([decided[row].as_json() for row in sorted(decided)])
        return cls(spec=spec, taxonomy=tree, decisions=decided, digests=marks)

    def counted(self, counts: Mapping[str, int]) -> Labelling:
        """The same, with rare classes given to those above, for these counts of rows by class."""
        return dataclasses.replace(self, moved=back_off(counts, min_rows=self.spec.min_rows))

    def report(self, rows: Mapping[str, int], *, notes: Mapping[str, int]) -> dict[str, Any]:
        """What `labels.json` of a dataset says: counts a level, what was moved, renamed and decided."""
        return {
            "multi": self.spec.multi,
            "separator": SEPARATOR,
            "levels": [{"level": level, "rows": dict(counts)} for level, counts in levels(rows).items()],
            "backed_off": dict(sorted(self.moved.items())),
            "min_rows": self.spec.min_rows,
            "empty": [] if self.taxonomy is None else sorted(set(self.taxonomy.leaves) - set(rows) - set(self.moved)),
            "notes": dict(sorted(notes.items())),
            "read_from": dict(self.digests),
        }


def labels_of(row: Row) -> tuple[str, ...]:
    """The labels of a row one by one, whether it has several, one or none."""
    return row.labels or ((row.label,) if row.label else ())


def relabel(row: Row, labelling: Labelling) -> Row:
    """The row with the classes that its labels mean.

    A decision about the row stands over its own label. `meta` says what was decided (`decided_by`) and what a class was
    before it went to the one above (`label_was`).

    Returns:
        The row; with `dropped` set to `unknown_label` or `discarded` where it cannot stay.

    Raises:
        DataError: a label means no class and the spec refuses such; `file:line` and the likely class are named.
    """
    if row.dropped is not None:
        return row
    decision = labelling.decisions.get(row.id)
    given = decision.labels if decision is not None else _given(row, labelling.spec)
    notes: dict[str, Any] = {} if decision is None else {"decided_by": decision.by}
    if decision is not None and not given:
        return row.model_copy(update={"dropped": "discarded", "meta": {**row.meta, **notes}})
    found: list[str] = []
    for label in given:
        path = _class_of(label, labelling)
        if path is None:
            if labelling.spec.unknown == "refuse" and labelling.taxonomy is not None:
                hint = labelling.taxonomy.suggest(label)
                where = f"{row.source.file}:{row.source.line}"
                raise DataError("labels.unknown", label=label, suggestion=hint, where=where)
            return row.model_copy(update={"dropped": "unknown_label"})
        found.append(path)
    placed = _ordered({labelling.moved.get(path, path) for path in found}, labelling.taxonomy)
    if set(placed) != set(found):
        notes["label_was"] = join_labels(_ordered(set(found), labelling.taxonomy))
    changed: dict[str, Any] = {"label": join_labels(placed), "labels": placed if len(placed) > 1 else ()}
    return row.model_copy(update={**changed, "meta": {**row.meta, **notes}})


def back_off(counts: Mapping[str, int], *, min_rows: int) -> dict[str, str]:
    """Class -> the class above it that takes its rows, for each with fewer than `min_rows`; from the leaves upwards.

    Rows that come up count for the class that takes them. A class at the top stays, however few rows it has.
    """
    standing = Counter({path: count for path, count in counts.items() if count})
    taken: dict[str, str] = {}
    for path in sorted(_with_ancestors(standing), key=lambda path: (-path.count("/"), path)):
        above = next(iter(ancestors(path)), None)
        if above is not None and 0 < standing[path] < min_rows:
            standing[above] += standing.pop(path)
            taken[path] = above
    return {path: _last(path, taken) for path in taken if counts.get(path)}


def levels(rows: Mapping[str, int]) -> dict[int, dict[str, int]]:
    """Level -> class -> rows of it and of all below it, most first."""
    totals: Counter[str] = Counter()
    for path, count in rows.items():
        for one in (path, *ancestors(path)):
            totals[one] += count
    result: dict[int, dict[str, int]] = {}
    for path, count in sorted(totals.items(), key=lambda pair: (pair[0].count("/"), -pair[1], pair[0])):
        result.setdefault(path.count("/") + 1, {})[path] = count
    return result


def _given(row: Row, spec: LabelsSpec) -> tuple[str, ...]:
    if row.labels or not row.label:
        return row.labels
    return split_labels(row.label) if spec.multi else (row.label,)


def _class_of(label: str, labelling: Labelling) -> str | None:
    tree = labelling.taxonomy
    if tree is None:
        return normalize(label)
    found = tree.find(label)
    if found is None and label.isdecimal() and int(label) < len(tree.leaves):
        return tree.leaves[int(label)]
    return found


def _ordered(paths: Iterable[str], taxonomy: Taxonomy | None) -> tuple[str, ...]:
    """One order for a set of classes, so that the same set is always the same answer."""
    return tuple(sorted(paths) if taxonomy is None else sorted(paths, key=taxonomy.order))


def _with_ancestors(paths: Iterable[str]) -> set[str]:
    return {one for path in paths for one in (path, *ancestors(path))}


def _last(path: str, taken: Mapping[str, str]) -> str:
    while path in taken:
        path = taken[path]
    return path
