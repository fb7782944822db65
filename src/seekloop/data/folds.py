"""K-fold views of a dataset: a fold for each row, in `folds.json`, without a copy of any row.

In view f, rows of fold f are validated and all others trained. A group (a ticket, a document, rows that are near
duplicates) is in one fold; labels are spread as evenly as groups allow. Test rows are in no fold.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seekloop.artifact.context import Job
from seekloop.artifact.rows import Row, read_rows
from seekloop.system import seeds

__all__ = ["EVERY", "REPORT", "Folds", "assign_folds", "fold"]

REPORT = "folds.json"
_made_from = ("mixed_from", "resampled_from", "augmented_from", "taught_from")
EVERY = -1
"""The fold of a row that is trained in every view: it was made of rows that no view knows."""


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Which fold each row is in."""

    k: int
    of: Mapping[str, int]
    """Row id -> fold, 0 to k - 1, or `EVERY`."""
    made: frozenset[str] = frozenset()
    """Rows that were made of others (copies, variants, a teacher's) or replayed: trained with their fold, validated in
    none."""

    def train(self, number: int) -> set[str]:
        """Ids of the rows that view `number` trains."""
        return {row for row, fold in self.of.items() if fold != number}

    def validation(self, number: int) -> set[str]:
        """Ids of the rows that view `number` validates."""
        return {row for row, fold in self.of.items() if fold == number and row not in self.made}

    def write(self, path: Path) -> None:
        """Write as JSON: `k`, `folds` (row id -> fold), `made` (ids)."""
        value = {"k": self.k, "folds": dict(self.of), "made": sorted(self.made)}
        path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> Folds:
        """What `write` wrote."""
        value: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return cls(k=value["k"], of=value["folds"], made=frozenset(value["made"]))


@dataclass
class _Group:
    rows: list[str] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)


def assign_folds(rows: Iterable[tuple[str, str, str]], *, k: int, seed: int) -> dict[str, int]:
    """A fold for each row: groups whole, the sizes of two folds at most the largest group apart, labels spread.

    Groups come largest first. Each goes to a fold that keeps the sizes so close, and among these to the one that has
    the least of its labels (Sechidis et al. 2011's order of thought, for whole groups).

    Args:
        rows: (row id, group, label) of each.
        k: folds.
        seed: decides between equals.
    """
    groups: defaultdict[str, _Group] = defaultdict(_Group)
    for identity, name, label in rows:
        groups[name].rows.append(identity)
        groups[name].labels[label] += 1
    totals: Counter[str] = sum((group.labels for group in groups.values()), Counter())
    sizes, have = [0] * k, [Counter[str]() for _ in range(k)]

    def order(name: str) -> tuple[int, str, bytes]:
        group = groups[name]
        first = min(group.labels, key=lambda label: (totals[label], label))
        return -len(group.rows), first, hashlib.sha256(f"{seed}\x1f{name}".encode()).digest()

    result: dict[str, int] = {}
    for name in sorted(groups, key=order):
        group = groups[name]
        most = max(max(sizes), min(sizes) + len(group.rows))
        fitting = [number for number in range(k) if sizes[number] + len(group.rows) <= most]
        chosen = min(fitting, key=lambda number: (_crowd(group, have[number], totals=totals), sizes[number], number))
        sizes[chosen] += len(group.rows)
        have[chosen] += group.labels
        result |= dict.fromkeys(group.rows, chosen)
    return result


def _crowd(group: _Group, have: Mapping[str, int], *, totals: Mapping[str, int]) -> float:
    """How much of the group's labels a fold holds already, rare labels weighing more."""
    return sum(count * have.get(label, 0) / totals[label] for label, count in sorted(group.labels.items()))


def fold(k: int, *, groups: Mapping[str, str], job: Job) -> Folds:
    """Give the job's train and validation rows their folds and write `folds.json`.

    Args:
        k: folds.
        groups: row id -> name of its group, for the rows that came in (`Sorter.groups`).
        job: the dataset in the making, its splits written.
    """
    known: list[tuple[str, str, str]] = []
    made: dict[str, tuple[str, ...]] = {}
    for split in ("train", "validation"):
        for row in read_rows(job.path(f"{split}.jsonl")):
            if row.id not in groups or "synthetic" in row.meta:
                made[row.id] = _sources(row)
            else:
                known.append((row.id, groups[row.id], row.label or ""))
    folds = assign_folds(known, k=k, seed=seeds.derive(job.ctx.seed, "data", "folds"))
    whole = {groups[row]: number for row, number in folds.items()}
    for identity, sources in made.items():
        group = groups.get(identity)
        found = [folds[one] for one in sources if one in folds] + ([whole[group]] if group in whole else [])
        folds[identity] = found[0] if found else EVERY
    result = Folds(k=k, of=folds, made=frozenset(made))
    result.write(job.path(REPORT))
    sizes = ", ".join(str(len(result.validation(number))) for number in range(k))
    also = f", {len(made)} rows that were made of others only trained" if made else ""
    job.ctx.progress.say(f"{k} folds of {sizes} rows{also}")
    return result


def _sources(row: Row) -> tuple[str, ...]:
    """Ids of the rows that a row was made of."""
    synthetic = row.meta.get("synthetic", {}).get("seeds", ())
    return (*synthetic, *(row.meta[name] for name in _made_from if name in row.meta))
