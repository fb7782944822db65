"""Erase a person: every corpus and dataset that has rows of theirs is written again without them.

Rows of others are the same bytes as before, in the same order and splits. The old artifacts are content-addressed and
stay as they are until they are removed from the store; what still holds the person is listed. An event in the ledger
says what replaced what, under the person's pseudonym.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from seekloop.artifact.context import Job, RunContext
from seekloop.artifact.kinds import Artifact, Corpus, Dataset
from seekloop.artifact.lineage import REWRITTEN
from seekloop.artifact.rows import Row, read_rows, to_line
from seekloop.data.findings import REPORT
from seekloop.data.folds import REPORT as FOLDS
from seekloop.data.holdings import Holding
from seekloop.data.subjects import Whereabouts, whereabouts
from seekloop.system.errors import DataError
from seekloop.system.spec import Spec

__all__ = ["EraseSpec", "Erasure", "erase", "rewrite"]


class EraseSpec(Spec):
    """What an artifact without a person was made by."""

    of: str
    """Id of the artifact that it replaces."""
    person: str
    """Their pseudonym."""


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """What erasing a person did."""

    found: Whereabouts
    """Where the person was, and still is in the old artifacts."""
    replaced: dict[str, str]
    """Id of each old corpus or dataset -> id of the one without the person."""
    rows: int
    """Rows written out, those of the calibration view not counted."""
    orphans: int
    """Rows of others that had been left out as duplicates of a row that is now gone; they stay left out."""

    def as_json(self) -> dict[str, Any]:
        """As a JSON value."""
        return {**self.found.as_json(), "replaced": self.replaced, "rows": self.rows, "orphans": self.orphans}


def erase(subject: str, *, ctx: RunContext) -> Erasure:
    """Write every corpus and dataset that has rows of a person again, without them.

    Args:
        subject: the person's id, in clear or as its pseudonym.
        ctx: the project.

    Raises:
        DataError: nothing in the project carries this person.
        ArtifactError: the disk is full; nothing was half-written, and erasing again goes on from there.
    """
    found = whereabouts(subject, ctx=ctx)
    if not found.holdings:
        raise DataError("data.no_such_subject", unreadable=len(found.unreadable))
    replaced = rewrite(found.holdings, person=found.person, ctx=ctx)
    gone: Counter[str] = Counter()
    for holding in found.holdings:
        gone.update({"rows": holding.count, "orphans": _orphans(ctx.store.load(holding.artifact), holding, ctx=ctx)})
    done = Erasure(found=found, replaced=replaced, rows=gone["rows"], orphans=gone["orphans"])
    facts = {"replaced": replaced, "rows": done.rows, "trained": list(found.trained)}
    ctx.ledger.note(REWRITTEN, found.person, facts=facts, actor=ctx.actor)
    trained = f"{len(found.trained)} checkpoints were trained on them"
    ctx.progress.say(f"erased {done.rows} rows of {found.person} from {len(replaced)} artifacts; {trained}")
    return done


def rewrite(
    holdings: Iterable[Holding], *, person: str, ctx: RunContext, replaced: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Write corpora and datasets again without the rows that were found in them.

    Args:
        holdings: what was found, oldest first.
        person: under which pseudonym.
        ctx: the project.
        replaced: artifacts that were written again before, which these may come from.

    Returns:
        Id of each old corpus or dataset -> id of the one without these rows, `replaced` among them.

    Raises:
        ArtifactError: the disk is full; nothing was half-written, and the same again goes on from there.
    """
    done = dict(replaced or {})
    for holding in holdings:
        old = ctx.store.load(holding.artifact)
        with ctx.job("data", EraseSpec(of=old.id, person=person)) as job:
            new = _Rewriting(old, holding.ids, job=job, replaced=done).artifact()
            done[old.id] = job.commit(new).id
    return done


class _Rewriting:
    """One artifact written again."""

    def __init__(self, old: Artifact, rows: Collection[str], *, job: Job, replaced: dict[str, str]) -> None:
        self._old = old
        self._rows = rows
        self._job = job
        self._parents = {role: replaced.get(parent, parent) for role, parent in old.parents.items()}
        self._gone: dict[str, Counter[str]] = {}
        """Rows left out, by file, as reasons of dropped rows, `added:…` as the dataset counts them, or `kept`."""
        self._ids: set[str] = set()
        """Of the rows left out."""

    def artifact(self) -> Corpus | Dataset:
        """Copy its files without the person's rows, and count what is left."""
        for name in sorted(self._old.files, key=lambda name: not name.endswith(".jsonl")):
            self._copy(name)
        changed: dict[str, Any] = {"parents": self._parents, "made_by": self._job.origin, "files": {}}
        match self._old:
            case Corpus() as corpus:
                return corpus.model_copy(update={**changed, "rows": corpus.rows - self._count("rows")})
            case Dataset() as dataset:
                return Dataset.model_validate({**dict(dataset), **changed, **self._counts(dataset)})
            case other:
                raise ValueError(f"a {type(other).__name__} has no rows")

    def _copy(self, name: str) -> None:
        source = self._job.ctx.store.path(self._old.id, name)
        if name in _by_row:
            value = _by_row[name](json.loads(source.read_bytes()), self._ids)
            self._job.path(name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", "utf-8")
            return
        if not name.endswith(".jsonl"):
            shutil.copyfile(source, self._job.path(name))
            return
        gone = self._gone.setdefault(name.removesuffix(".jsonl"), Counter())
        with self._job.path(name).open("w", encoding="utf-8") as file:
            for row in read_rows(source):
                if row.id in self._rows:
                    gone[row.dropped or _way(row)] += 1
                    self._ids.add(row.id)
                else:
                    file.write(to_line(row))

    def _count(self, name: str) -> int:
        return self._gone.get(name, Counter()).total()

    def _counts(self, dataset: Dataset) -> dict[str, Any]:
        reasons = self._gone.get("dropped", Counter())
        dropped = {reason: count - reasons[reason] for reason, count in dataset.dropped.items()}
        splits = {split: count - self._count(split) for split, count in dataset.splits.items()}
        train = self._gone.get("train", Counter())
        added = {way: count - train[f"added:{way}"] for way, count in dataset.added.items()}
        return {
            "rows": sum(splits.values()) + sum(dropped.values()) - sum(added.values()),
            "added": {way: count for way, count in added.items() if count},
            "splits": splits,
            "dropped": {reason: count for reason, count in dropped.items() if count},
            "calibration": dataset.calibration - self._count("calibration"),
            "replay": dataset.replay - train["replayed"],
        }


def _way(row: Row) -> str:
    """How a row that is kept came to be, the last step first: it is that step's count that holds it."""
    if "replayed_from" in row.meta:
        return "replayed"
    if "mixed_from" in row.meta:
        return "added:mix"
    if "resampled_from" in row.meta:
        return "added:resample"
    if "augmented_from" in row.meta:
        return f"added:augment:{row.meta['operator']}"
    return "added:teacher" if "taught_from" in row.meta else "kept"


def _report_without(report: dict[str, Any], rows: Collection[str]) -> dict[str, Any]:
    """`report.json` without the pairs that show one of these rows."""
    shown = {
        reason: [pair for pair in pairs if not {pair["row"], pair["twin"]} & set(rows)]
        for reason, pairs in report["pairs"].items()
    }
    return {**report, "pairs": shown}


def _folds_without(folds: dict[str, Any], rows: Collection[str]) -> dict[str, Any]:
    """`folds.json` without these rows."""
    left = {row: fold for row, fold in folds["folds"].items() if row not in rows}
    return {**folds, "folds": left, "made": [row for row in folds["made"] if row not in rows]}


_by_row: Mapping[str, Callable[[dict[str, Any], Collection[str]], dict[str, Any]]] = MappingProxyType(
    {REPORT: _report_without, FOLDS: _folds_without}
)
"""Files that name rows; all others hold counts, or what was learnt of many."""


def _orphans(old: Artifact, holding: Holding, *, ctx: RunContext) -> int:
    """Rows of a dataset that were dropped as twins of rows that are erased."""
    if "dropped.jsonl" not in old.files:
        return 0
    erased = holding.ids
    left = read_rows(ctx.store.path(old.id, "dropped.jsonl"))
    return sum(row.twin in erased and row.id not in erased for row in left)
