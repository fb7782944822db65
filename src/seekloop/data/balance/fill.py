"""Filling up: rows over the cap are left out, rows that are missing are made, in one pass over the train rows each."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from seekloop.artifact.rows import Row, read_rows, row_id
from seekloop.data.augment.resources import Kit
from seekloop.data.augment.rows import Tried, variants
from seekloop.data.augment.translate import Translator, back_translated
from seekloop.data.balance.plan import LabelPlan, quotas
from seekloop.data.balance.spec import BalanceSpec
from seekloop.data.intents import LabelHead
from seekloop.data.labels.labelling import labels_of
from seekloop.data.made import made_of
from seekloop.data.wording import asked

__all__ = ["Balance", "Filler", "Teacher", "counted", "dump", "over_cap"]

_batch = 64
Held = Callable[[Row], bool]
"""Whether a row is too like one that is held out."""


class Teacher(Protocol):
    """Who writes rows that no other way can make."""

    report: dict[str, Any] | None
    """What was asked and what came of it; None: nothing was asked."""

    def know(self, row: Row) -> None:
        """Learn of a row that was made in another way, so that its like is not written."""
        ...

    def rows(self, missing: Mapping[str, int]) -> Iterable[Row]:
        """Rows for labels that lack some, and the others as far as that cannot be helped."""
        ...


def counted(rows: Iterable[Row]) -> Counter[str]:
    """Rows by label; a row of several labels counts for each."""
    return Counter(label for row in rows for label in labels_of(row))


def over_cap(rows: Iterable[Row], spec: BalanceSpec, *, counts: Counter[str], seed: int) -> frozenset[str]:
    """Ids of the rows that are more than their label may have: those with the highest hashes.

    A row of several labels goes by its rarest. Replayed rows stay. Memory holds ids.
    """
    if spec.max_rows_per_label is None and spec.max_rows is None:
        return frozenset()
    by_label: defaultdict[str, list[tuple[bytes, str]]] = defaultdict(list)
    for row in rows:
        if row.label is not None and "replayed_from" not in row.meta:
            rarest = min(labels_of(row), key=lambda label: (counts[label], label))
            mark = hashlib.sha256(f"{seed}\x1f{row.id}".encode()).digest()
            by_label[rarest].append((mark, row.id))
    most = quotas(
        {label: len(marks) for label, marks in sorted(by_label.items())},
        per_label=spec.max_rows_per_label,
        total=spec.max_rows,
    )
    return frozenset(
        row for label, marks in by_label.items() for _, row in heapq.nlargest(len(marks) - most[label], marks)
    )


@dataclass(kw_only=True)
class Balance:
    """What was planned and what was made."""

    lines: tuple[LabelPlan, ...]
    made: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Label -> way (`resample`, `augment:OPERATOR`) -> rows."""
    tried: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Operator and what became of its attempts -> how often."""
    added: Counter[str] = field(default_factory=Counter)
    """Way -> rows: what `Dataset.added` says."""

    def missing(self, spec: BalanceSpec) -> dict[str, int]:
        """Rows that each label still needs."""
        after = {line.label: line.have - line.over + self.made[line.label].total() for line in self.lines}
        return {label: spec.min_rows_per_label - n for label, n in after.items() if n < spec.min_rows_per_label}

    def report(self, spec: BalanceSpec, *, taught: dict[str, Any] | None) -> dict[str, Any]:
        """What `balance.json` of a dataset says; `taught` is the teacher's part."""
        missing = self.missing(spec)
        yields: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for (operator, outcome), count in sorted(self.tried.items()):
            yields[operator][outcome] = count
        return {
            "spec": spec.model_dump(mode="json"),
            "plan": [line.as_json() for line in self.lines],
            "made": {label: dict(sorted(ways.items())) for label, ways in sorted(self.made.items()) if ways},
            "operators": dict(yields),
            "added": dict(sorted(self.added.items())),
            "missing": {label: missing[label] for label in sorted(missing)},
            "teacher": taught or ("planned, no teacher is named" if "teacher" in spec.ways and missing else None),
        }


@dataclass(kw_only=True)
class _Shares:
    """How a label's missing rows are shared out over the rows it has, in the order of the file."""

    goal: dict[str, int]
    """Label -> rows that one way should add."""
    counts: Counter[str]
    balance: Balance
    seen: Counter[str] = field(default_factory=Counter)
    """Rows of each label that have had their turn, the present one among them."""

    def owe(self, row: Row, way: str) -> bool:
        """Whether a label of the row should have more rows of this way by now."""
        for label in labels_of(row):
            made = sum(count for name, count in self.balance.made[label].items() if name.startswith(way))
            if made < -(-self.goal.get(label, 0) * self.seen[label] // self.counts[label]):
                return True
        return False


class Filler:
    """Makes the rows that labels lack.

    Args:
        spec: how.
        kit: what operators work with.
        head: checks that a variant keeps its label; None: nothing is checked.
        translator: for `back_translation`; None: it is not done.
        teacher: for the way of that name; None: what it should write is planned and stays missing.
        held: whether a row is too like one that is held out.
        seed: of all draws.
    """

    def __init__(
        self,
        *,
        spec: BalanceSpec,
        kit: Kit,
        head: LabelHead | None,
        translator: Translator | None,
        teacher: Teacher | None,
        held: Held,
        seed: int,
    ) -> None:
        self._spec = spec
        self._kit = kit
        self._head = head
        self._translator = translator
        self._teacher = teacher
        self._held = held
        self._seed = seed

    def fill(self, path: Path, balance: Balance, *, counts: Counter[str]) -> Iterator[Row]:
        """Every new row, counted in `balance` when it comes.

        Args:
            path: the train rows, those over the cap left out.
            balance: the plan.
            counts: train rows by label, in that file.
        """
        ways = {"augment": self._augmented, "resample": self._copied, "teacher": self._taught}
        for way in self._spec.ways:
            if way in ways and balance.missing(self._spec):
                shares = _Shares(goal=balance.missing(self._spec), counts=counts, balance=balance)
                for row, name in ways[way](path, shares):
                    balance.added[name] += 1
                    for label in labels_of(row):
                        balance.made[label][name] += 1
                    if self._teacher is not None and name.startswith("augment"):
                        self._teacher.know(row)
                    yield row

    def _augmented(self, path: Path, shares: _Shares) -> Iterator[tuple[Row, str]]:
        """Variants, spread evenly over the rows of each label; what one row cannot give the next ones make up."""
        for batch in _batches(read_rows(path), _batch):
            trips = self._trips(batch, shares)
            for row in batch:
                shares.seen.update(labels_of(row))
                said = {asked(row)}
                for tried in self._attempts(row, trips):
                    if not shares.owe(row, "augment:"):
                        break
                    made = tried.row
                    outcome = tried.reason if made is None else self._judged(made, said)
                    shares.balance.tried[(tried.operator, outcome)] += 1
                    if made is not None and outcome == "made":
                        said.add(asked(made))
                        yield made, f"augment:{tried.operator}"

    def _attempts(self, row: Row, trips: dict[str, Tried]) -> Iterator[Tried]:
        if row.id in trips:
            yield trips[row.id]
        made = 0
        for tried in variants(row, self._kit, seed=self._seed, head=self._head):
            made += tried.row is not None
            yield tried
            if made >= self._spec.augment.per_row:
                return

    def _trips(self, batch: Sequence[Row], shares: _Shares) -> dict[str, Tried]:
        """Round trips of the rows of a batch whose labels lack rows."""
        missing = shares.balance.missing(self._spec)
        rows = [row for row in batch if any(label in missing for label in labels_of(row))]
        if self._translator is None or not rows:
            return {}
        tried = back_translated(rows, self._kit, translator=self._translator, head=self._head)
        return {row.id: one for row, one in zip(rows, tried, strict=True)}

    def _judged(self, made: Row, said: set[str]) -> str:
        if asked(made) in said and made.meta["operator"] != "empty_field":
            return "said_before"
        return "held_out" if self._held(made) else "made"

    def _copied(self, path: Path, shares: _Shares) -> Iterator[tuple[Row, str]]:
        """Copies, spread evenly over the rows of each label."""
        for row in read_rows(path):
            shares.seen.update(labels_of(row))
            for number in range(self._spec.copies_per_row):
                if not shares.owe(row, "resample"):
                    break
                meta = made_of(row, resampled_from=row.id)
                yield row.model_copy(update={"id": row_id([row.id, "resample", number]), "meta": meta}), "resample"

    def _taught(self, path: Path, shares: _Shares) -> Iterator[tuple[Row, str]]:
        """What the teacher writes, as long as a label of the row lacks any."""
        for row in () if self._teacher is None else self._teacher.rows(shares.goal):
            missing = shares.balance.missing(self._spec)
            if any(label in missing for label in labels_of(row)):
                yield row, "teacher"


def _batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def dump(report: dict[str, Any]) -> str:
    """The report as a file's text."""
    return json.dumps(report, ensure_ascii=False, indent=2) + "\n"
