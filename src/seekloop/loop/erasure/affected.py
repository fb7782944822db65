"""Everything that a person, row, answer or source file got into."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seekloop.artifact import lineage
from seekloop.artifact.context import RunContext
from seekloop.artifact.holders import Held
from seekloop.artifact.kinds import Artifact, Corpus, Dataset, Report, Traffic
from seekloop.data.holdings import Holding, Seeker, Sought
from seekloop.loop.erasure.lines import Lines, lines_of
from seekloop.loop.erasure.target import Resolved, Target, resolve
from seekloop.serve.cache.away import kept_of
from seekloop.serve.cache.shared import SharedCache
from seekloop.serve.cache.shelf import ShelfFault
from seekloop.system.errors import ArtifactError

__all__ = ["EXPORTED", "Affected", "Search", "cache_files"]

EXPORTED = "artifact.exported"
"""The event that an artifact (its subject) was copied out of the store."""
_weights = ("checkpoint", "base", "parent", "teacher")
"""Roles under which a checkpoint names one whose weights are in it."""


@dataclass(frozen=True, kw_only=True)
class Affected:
    """What came of it, by what it is."""

    id: str
    """A pseudonym of what was asked for."""
    holdings: tuple[Holding, ...]
    """Corpora and datasets with rows of it."""
    lines: tuple[Lines, ...]
    """Traffic and reports with lines of it."""
    checkpoints: tuple[str, ...]
    """Whose weights were made from such rows, or from such weights, in whichever form."""
    releases: dict[str, tuple[str, ...]]
    """Of these checkpoints -> the names that stand for it now, such as `production`."""
    reports: tuple[str, ...]
    """Of these checkpoints, or measured on such rows."""
    lessons: tuple[str, ...]
    """Of such traffic, or with such a corpus."""
    held: Held
    """What production holds of it."""
    served: int
    """Answers to whomever that releases of these checkpoints wrote."""
    cached: int
    """Copies of its answers in cache files of this machine, and on the server that the project's gateways share."""
    exports: tuple[str, ...]
    """Where copies of such artifacts were put, as far as it is known."""
    unreadable: tuple[str, ...]
    """Corpora, datasets, traffic and reports that the store no longer has whole."""
    erased: dict[str, Any] = field(default_factory=dict)
    """What the event of an earlier erasure says."""

    @property
    def rows(self) -> int:
        """Rows of corpora and datasets."""
        return sum(holding.count for holding in self.holdings)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing of it is here, and nothing came of it."""
        return not (self.holdings or self.lines or self.checkpoints or self.held.answers)

    def as_json(self) -> dict[str, Any]:
        """As a JSON value; ids of rows and answers by artifact."""
        value = dataclasses.asdict(self)
        value["holdings"] = [{**dataclasses.asdict(one), "count": one.count} for one in self.holdings]
        value["held"] = {**dataclasses.asdict(self.held), "served": dict(self.held.served)}
        return value


class Search:
    """Looks for a target; an artifact is read once, however often it is asked.

    Args:
        target: what is asked for.
        ctx: the project.
        rows: ids of rows that are known to be among them.
        cache: which the project's gateways share on a server.
    """

    def __init__(
        self, target: Target, *, ctx: RunContext, rows: Collection[str] = (), cache: SharedCache | None = None
    ) -> None:
        self.resolved: Resolved = resolve(target, ctx=ctx)
        self._ctx = ctx
        self._cache = cache
        self._holdings: dict[str, Holding] = {}
        self._lines: dict[str, Lines] = {}
        self._read: set[str] = set()
        self._unreadable: dict[str, None] = {}
        self._rows: set[str] = {*target.rows, *rows}

    def run(self, *, roots: Collection[str] = ()) -> Affected:
        """What is there now.

        Args:
            roots: checkpoints that are known to be affected from before.
        """
        ctx, target = self._ctx, self.resolved.target
        held = ctx.ledger.holders.held(self.resolved.scopes, answers=target.answers)
        self._look(held)
        taught = [one.artifact for one in self._holdings.values() if one.is_taught]
        checkpoints = _below({*taught, *roots}, ctx=ctx)
        releases = _releases(checkpoints, ctx=ctx)
        holding = [*self._holdings, *self._lines]
        reports = _children(checkpoints, "report", ctx=ctx) | _children(self._holdings, "report", ctx=ctx)
        lessons = _children(holding, "lesson", ctx=ctx)
        return Affected(
            id=self.resolved.id,
            holdings=tuple(self._holdings.values()),
            lines=tuple(self._lines.values()),
            checkpoints=tuple(checkpoints),
            releases=releases,
            reports=tuple(reports),
            lessons=tuple(lessons),
            held=held,
            served=sum(held.served[release] for release in releases),
            cached=_cached(held.answers, cache=self._cache, ctx=ctx),
            exports=tuple(_exports({*holding, *checkpoints}, ctx=ctx)),
            unreadable=tuple(self._unreadable),
        )

    @property
    def rows(self) -> frozenset[str]:
        """Ids of every row that was found."""
        return frozenset(self._rows)

    def forget(self, artifact: str) -> None:
        """This artifact's files are gone."""
        self._holdings.pop(artifact, None)
        self._lines.pop(artifact, None)

    def _look(self, held: Held) -> None:
        target = self.resolved.target
        answers = {*held.answers, *target.answers}
        sought = Sought(
            owns=self.resolved.owns, rows=frozenset(target.rows), answers=answers, files=frozenset(target.files)
        )
        while True:
            seeker = Seeker(sought, ctx=self._ctx, known=self._rows)
            fresh = [record.id for record in self._ctx.ledger.artifacts() if record.id not in self._read]
            with self._ctx.progress.task("looking through artifacts", total=len(fresh)) as task:
                for identity in fresh:
                    self._see(identity, seeker, answers=answers)
                    task.advance()
            again = not seeker.copies <= self._rows
            self._rows |= seeker.known
            if not again:
                return
            # A copy that only a later dataset tells of may stand in earlier artifacts.
            self._read.clear()

    def _see(self, identity: str, seeker: Seeker, *, answers: Collection[str]) -> None:
        if identity.partition(":")[0] not in ("corpus", "dataset", "traffic", "report"):
            return
        if lineage.shredded(identity, ledger=self._ctx.ledger):
            return
        try:
            artifact: Artifact = self._ctx.store.load(identity)
            match artifact:
                case Corpus() | Dataset():
                    found = seeker.holding(artifact)
                    if found is not None:
                        self._holdings[identity] = found
                case Traffic() | Report():
                    lines = lines_of(artifact, rows=seeker.known, answers=answers, ctx=self._ctx)
                    if lines is not None:
                        self._lines[identity] = lines
                case _:
                    pass
        except (ArtifactError, FileNotFoundError):
            self._unreadable[identity] = None
        self._read.add(identity)


def cache_files(ctx: RunContext) -> list[Path]:
    """Cache files of gateways beside the project's ledger."""
    return sorted(ctx.work.parent.glob("*cache*.db"))


def _below(roots: Iterable[str], *, ctx: RunContext) -> dict[str, None]:
    """Checkpoints that were trained on a dataset of `roots`, or that have the weights of one that was."""
    found: dict[str, None] = {root: None for root in roots if root.startswith("checkpoint:")}
    pending = list(roots)
    while pending:
        root = pending.pop(0)
        for child in ctx.ledger.children(root):
            if child.startswith("checkpoint:") and child not in found and _has_weights(child, root, ctx=ctx):
                found[child] = None
                pending.append(child)
    return found


def _has_weights(child: str, parent: str, *, ctx: RunContext) -> bool:
    if parent.startswith("dataset:"):
        return True
    event = ctx.ledger.created(child)
    assert event is not None, "children are recorded"
    return any(of == parent and role.startswith(_weights) for role, of in event.facts["parents"].items())


def _releases(checkpoints: Iterable[str], *, ctx: RunContext) -> dict[str, tuple[str, ...]]:
    standing: dict[str, str] = {}
    for event in ctx.ledger.events(kind="alias.moved"):
        standing[event.subject] = event.facts["target"]
    found = _children(checkpoints, "release", ctx=ctx)
    return {one: tuple(sorted(name for name, target in standing.items() if target == one)) for one in found}


def _children(parents: Iterable[str], kind: str, *, ctx: RunContext) -> dict[str, None]:
    return {
        child: None
        for parent in parents
        for child in ctx.ledger.children(parent)
        if child.partition(":")[0] == kind and (kind != "release" or parent.startswith("checkpoint:"))
    }


def _cached(answers: Collection[str], *, cache: SharedCache | None, ctx: RunContext) -> int:
    count = 0
    if cache is not None and answers:
        try:
            count += cache.count(answers)
        except ShelfFault as error:
            ctx.progress.say(f"{cache.name} cannot be looked at: {error}")
    for path in cache_files(ctx) if answers else ():
        try:
            count += kept_of(path, answers)
        except sqlite3.Error as error:
            ctx.progress.say(f"{path.name} cannot be looked at: {error}")
    return count


def _exports(identities: Collection[str], *, ctx: RunContext) -> Iterator[str]:
    places: Counter[str] = Counter()
    for event in ctx.ledger.events(kind=EXPORTED):
        if event.subject in identities:
            places[event.facts["to"]] += 1
    yield from places
