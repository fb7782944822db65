"""Splits: stratified by label, whole groups together, decided by each group's own hash and the run's seed."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from seekloop.artifact.rows import Row
from seekloop.data.spec import Split, SplitSpec
from seekloop.text.complete import CompleteIndex
from seekloop.text.shingles import Prints

__all__ = ["Sorter"]


@dataclass
class _Group:
    """Rows that stay together."""

    first: str
    """Id of the first row: the group's hash, so that rows added later do not move it."""
    label: str | None
    rows: list[str] = field(default_factory=list)
    fixed: set[Split] = field(default_factory=set)
    """Splits that sources gave its rows."""
    trained: bool = False
    """Whether the parent trained on one of them, or one was made of the others: all can only be trained."""
    real: int = 0
    """Rows that were not made of others, in a group that holds some that were; 0 in other groups."""

    @property
    def settled(self) -> Split | None:
        """The split of the group's rows that have none of their own; None: it is drawn."""
        held_out: tuple[Split, ...] = ("test", "validation")
        return next((split for split in held_out if split in self.fixed), "train" if self.trained else None)


class Sorter:
    """Takes rows in order, then says where each goes.

    Groups are rows of one source group (ticket, document) and near duplicates, joined as they come (union-find).
    """

    def __init__(self, spec: SplitSpec, *, seed: int) -> None:
        self.spec = spec
        self.seed = seed
        self.index = CompleteIndex(spec.similarity)
        self.ids: list[str] = []
        """Ids of the rows in the index, by number."""
        self._parent: dict[str, str] = {}
        self._by_group: dict[str, str] = {}
        self._rows: list[tuple[str, str | None, Split | None, bool]] = []
        self._made_of: dict[str, tuple[str, ...]] = {}
        """Synthetic row -> the rows that it was made of: they go where it goes, which is train."""

    def add(
        self,
        rows: Sequence[Row],
        *,
        trained: Sequence[bool],
        prompts: Prints | None = None,
        alike: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Take kept rows.

        Args:
            rows: the rows; `meta["split"]` fixes a row's split, `meta["group"]` names its group.
            trained: whether the parent trained on the like of each: it can only be trained again.
            prompts: fingerprints of what the user asked in them, to find what is alike.
            alike: ids of pairs that are alike, the later row first, where others have found them.
        """
        for row in rows:
            self._parent[row.id] = row.id
            if "synthetic" in row.meta:
                self._made_of[row.id] = tuple(row.meta["synthetic"].get("seeds", ()))
        for later, earlier in alike if prompts is None else self._alike(rows, prompts):
            self._join(earlier, later)
        for row, again in zip(rows, trained, strict=True):
            group = row.meta.get("group")
            if group is not None:
                self._join(self._by_group.setdefault(str(group), row.id), row.id)
            self._rows.append((row.id, row.label, row.meta.get("split"), again))

    def _alike(self, rows: Sequence[Row], prompts: Prints) -> Iterator[tuple[str, str]]:
        """Pairs of rows whose prompts are alike; of rows with the same one, the first stands for all."""
        found = self.index.join(prompts)
        numbers, twins = found.numbers.tolist(), found.twins.tolist()
        self.ids += [row.id for row, number in zip(rows, numbers, strict=True) if number >= 0]
        yield from ((row.id, self.ids[twin]) for row, twin in zip(rows, twins, strict=True) if twin >= 0)
        yield from ((self.ids[later], self.ids[earlier]) for later, earlier in found.near.tolist())

    def groups(self) -> dict[str, str]:
        """Row id -> id of a row that stands for its group, after `assign`."""
        return {identity: self._root(identity) for identity, *_ in self._rows}

    def assign(self) -> dict[str, Split]:
        """Row id -> split.

        Rows keep the split that their source fixes, and rows of their group follow them. Where a source fixes test or
        validation rows, no others are drawn; validation is then taken out of the train rows.
        """
        groups = self._groups()
        fixed: set[str] = {split for group in groups for split in group.fixed}
        shares = self.spec.shares(fixed)
        own = {row: split for row, _, split, _ in self._rows if split is not None}
        strata: defaultdict[str | None, list[_Group]] = defaultdict(list)
        result: dict[str, Split] = {}
        beside: Counter[str | None] = Counter()
        for group in groups:
            settled = group.settled
            beside[group.label] += group.real
            if settled is None:
                strata[group.label].append(group)
            else:
                result |= {row: own.get(row, settled) for row in group.rows}
        for label, stratum in strata.items():
            exact = self.spec.assign == "exact"
            drawn = (
                self._draw_exactly(stratum, shares, beside=beside[label])
                if exact
                else self._draw_stably(stratum, shares)
            )
            result |= drawn
        return result

    def _draw_exactly(self, stratum: list[_Group], shares: dict[str, float], *, beside: int) -> dict[str, Split]:
        """The groups with the lowest hashes fill the test quota, the next ones validation.

        `beside` rows of the label stand in train because others were made of them: they count for the quotas, so that
        a test set does not shrink by what is made of the rest.
        """
        free = beside + sum(len(group.rows) for group in stratum if not group.fixed)
        quota: dict[Split, int] = {
            "test": int(free * shares["test"] + 0.5),
            "validation": int((beside + sum(len(group.rows) for group in stratum)) * shares["validation"] + 0.5),
        }
        result: dict[str, Split] = {}
        for group in sorted(stratum, key=lambda group: self._hash(group.first)):
            chosen: Split = "train"
            held_out: tuple[Split, ...] = ("test", "validation")
            for split in held_out:
                if chosen == "train" and len(group.rows) <= quota[split] and (split != "test" or not group.fixed):
                    quota[split] -= len(group.rows)
                    chosen = split
            result |= dict.fromkeys(group.rows, chosen)
        return result

    def _draw_stably(self, stratum: list[_Group], shares: dict[str, float]) -> dict[str, Split]:
        """Each group by its hash alone, a number from 0 to 1."""
        result: dict[str, Split] = {}
        for group in stratum:
            test = 0.0 if group.fixed else shares["test"]
            value = self._hash(group.first)
            chosen: Split = "test" if value < test else "validation" if value < test + shares["validation"] else "train"
            result |= dict.fromkeys(group.rows, chosen)
        return result

    def _hash(self, identity: str) -> float:
        digest = hashlib.sha256(f"{self.seed}\x1f{identity}".encode()).digest()
        return int.from_bytes(digest[:7], "big") / 2**56

    def _groups(self) -> list[_Group]:
        for made, sources in self._made_of.items():
            for one in sources:
                if one in self._parent:
                    self._join(one, made)
        groups: dict[str, _Group] = {}
        for identity, label, split, trained in self._rows:
            group = groups.setdefault(self._root(identity), _Group(first=identity, label=label))
            group.rows.append(identity)
            group.trained |= trained or identity in self._made_of
            if split is not None:
                group.fixed.add(split)
        for group in groups.values():
            real = sum(one not in self._made_of for one in group.rows)
            group.real = real if real < len(group.rows) else 0
        return list(groups.values())

    def _root(self, identity: str) -> str:
        while self._parent[identity] != identity:
            self._parent[identity] = identity = self._parent[self._parent[identity]]
        return identity

    def _join(self, left: str, right: str) -> None:
        self._parent[self._root(right)] = self._root(left)
