"""Splits: stratified by label, whole groups together, decided by each group's own hash and the run's seed."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field

from seekloop.artifact.rows import Row
from seekloop.data.spec import Split, SplitSpec
from seekloop.text.similarity import Fingerprint, Seen

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
    """Whether the parent trained on one of them."""

    @property
    def settled(self) -> Split | None:
        """The split of the group's rows that have none of their own; None: it is drawn."""
        held_out: tuple[Split, ...] = ("test", "validation")
        return next((split for split in held_out if split in self.fixed), "train" if self.trained else None)


class Sorter:
    """Takes rows one by one, then says where each goes.

    Groups are rows of one source group (ticket, document) and near duplicates, joined as they come (union-find).
    """

    def __init__(self, spec: SplitSpec, *, seed: int) -> None:
        self.spec = spec
        self.seed = seed
        self._seen = Seen(spec.similarity)
        self._parent: dict[str, str] = {}
        self._by_group: dict[str, str] = {}
        self._rows: list[tuple[str, str | None, Split | None, bool]] = []

    def add(self, row: Row, prompt: Fingerprint, *, trained: bool) -> None:
        """Take a kept row.

        Args:
            row: the row; `meta["split"]` fixes its split, `meta["group"]` names its group.
            prompt: fingerprint of what the user asked in it.
            trained: the parent trained on its like: it can only be trained again.
        """
        self._parent[row.id] = row.id
        exact = self._seen.exact(prompt)
        for match in [*self._seen.near(prompt), *([exact] if exact else [])]:
            self._join(match.id, row.id)
        self._seen.add(row.id, prompt)
        group = row.meta.get("group")
        if group is not None:
            self._join(self._by_group.setdefault(str(group), row.id), row.id)
        self._rows.append((row.id, row.label, row.meta.get("split"), trained))

    def assign(self) -> dict[str, Split]:
        """Row id -> split.

        Rows keep the split that their source fixes, and rows of their group follow them. Where a source fixes test or
        validation rows, no others are drawn; validation is then taken out of the train rows.
        """
        groups = self._groups()
        fixed: set[str] = {split for group in groups for split in group.fixed}
        shares = {
            "test": 0.0 if "test" in fixed else self.spec.test,
            "validation": 0.0 if "validation" in fixed else self.spec.validation,
        }
        own = {row: split for row, _, split, _ in self._rows if split is not None}
        strata: defaultdict[str | None, list[_Group]] = defaultdict(list)
        result: dict[str, Split] = {}
        for group in groups:
            settled = group.settled
            if settled is None:
                strata[group.label].append(group)
            else:
                result |= {row: own.get(row, settled) for row in group.rows}
        draw = self._draw_exactly if self.spec.assign == "exact" else self._draw_stably
        for stratum in strata.values():
            result |= draw(stratum, shares)
        return result

    def _draw_exactly(self, stratum: list[_Group], shares: dict[str, float]) -> dict[str, Split]:
        """The groups with the lowest hashes fill the test quota, the next ones validation."""
        free = sum(len(group.rows) for group in stratum if not group.fixed)
        quota: dict[Split, int] = {
            "test": int(free * shares["test"] + 0.5),
            "validation": int(sum(len(group.rows) for group in stratum) * shares["validation"] + 0.5),
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
        groups: dict[str, _Group] = {}
        for identity, label, split, trained in self._rows:
            group = groups.setdefault(self._root(identity), _Group(first=identity, label=label))
            group.rows.append(identity)
            group.trained |= trained
            if split is not None:
                group.fixed.add(split)
        return list(groups.values())

    def _root(self, identity: str) -> str:
        while self._parent[identity] != identity:
            self._parent[identity] = identity = self._parent[self._parent[identity]]
        return identity

    def _join(self, left: str, right: str) -> None:
        self._parent[self._root(right)] = self._root(left)
