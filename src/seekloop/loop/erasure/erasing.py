"""Erase what was asked for: rows, texts, kept answers; mark what was trained on them; plan what replaces it.

Every step is an event or leaves the same bytes when it is done again, so an erasure that was killed is run again and
goes on. It begins with an event that says what was found, because what is found later is less; it ends with
`person.erased`.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from seekloop.artifact import lineage
from seekloop.artifact.context import RunContext
from seekloop.artifact.records import Event
from seekloop.data.erase import rewrite
from seekloop.data.findings import REPORT
from seekloop.data.folds import REPORT as FOLDS
from seekloop.data.suppressed import ERASED
from seekloop.loop.erasure.affected import Affected, Search, cache_files
from seekloop.loop.erasure.holds import holds_of
from seekloop.loop.erasure.lines import without
from seekloop.loop.erasure.retrain import Retraining, retraining
from seekloop.loop.erasure.target import BEGUN, Target, resolve
from seekloop.loop.registry import TAINTED
from seekloop.serve.cache.away import drop_kept
from seekloop.serve.cache.shared import SharedCache
from seekloop.serve.cache.shelf import ShelfFault
from seekloop.system import digests
from seekloop.system.errors import UsageError
from seekloop.system.files import write_whole

__all__ = ["BEGUN", "DONE", "Erased", "Plan", "erase", "plan", "remains"]

DONE = ERASED
_rounds = 8
"""Looks at what came meanwhile, at most: a loop that runs makes new artifacts."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an erasure would do."""

    found: Affected
    retraining: tuple[Retraining, ...]
    """What is then to be trained again; the rows that will be left are not counted yet."""
    held: tuple[str, ...]
    """Holds that keep it from being done."""


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What an erasure did, over all its runs."""

    id: str
    """A pseudonym of what was asked for."""
    facts: dict[str, Any]
    """Of its event: counts, and ids of artifacts."""
    replaced: dict[str, str]
    """Corpora, datasets, traffic and reports -> those without it."""
    retraining: tuple[Retraining, ...]
    again: bool = False
    """Whether it had been done before, and nothing was left to do."""


def plan(target: Target, *, ctx: RunContext, cache: SharedCache | None = None) -> Plan:
    """What erasing a target would do; nothing is changed.

    Args:
        target: a person, rows, answers or source files.
        ctx: the project.
        cache: which its gateways share on a server.

    Raises:
        MissingPackage: the package that reaches the cache's server is not installed.
        UsageError: nothing is asked for, or users of several tenants have this id.
        LedgerError: an event was changed, or the keys of texts cannot be had.
    """
    search = Search(target, ctx=ctx, cache=cache)
    found = search.run(roots=_known(search.resolved.id, ctx=ctx))
    ahead = retraining(found.releases, tainted=found.checkpoints, replaced=lineage.replaced(ctx.ledger), ctx=ctx)
    earlier = _last(DONE, found.id, ctx=ctx)
    if earlier is not None:
        found = dataclasses.replace(found, erased={**earlier.facts, "at": earlier.at})
    return Plan(found=found, retraining=ahead, held=holds_of(search.resolved.scopes, found.held.answers, ctx=ctx))


def erase(target: Target, *, reason: str, ctx: RunContext, cache: SharedCache | None = None) -> Erased:
    """Erase a target, or go on where that was interrupted.

    A server of the cache that is away keeps nobody from being erased: it is said, no gateway gives these answers, and
    one that finds the server again removes them, as does the same erasure once more.

    Raises:
        MissingPackage: as for `plan`.
        UsageError: nothing carries it, or a legal hold is on it; as for `plan` too.
        LedgerError: as for `plan`.
        ArtifactError: the disk is full; the same again goes on from there.
    """
    return _Erasing(target, reason=reason, ctx=ctx, cache=cache).run()


def remains(found: Affected) -> int:
    """How many rows, lines, texts and copies are there to erase."""
    return found.rows + sum(one.count + len(one.pages) for one in found.lines) + found.held.texts + found.cached


class _Erasing:
    """One erasure."""

    def __init__(self, target: Target, *, reason: str, ctx: RunContext, cache: SharedCache | None) -> None:
        self._ctx = ctx
        self._cache = cache
        self._away = False
        self._id = resolve(target, ctx=ctx).id
        self._notes = ctx.work / "erasing" / f"{digests.of_json(self._id).rpartition(':')[2]}.json"
        self._search = Search(target, ctx=ctx, rows=self._remembered(), cache=cache)
        self._target = target
        self._people = sorted(person.pseudonym for person in self._search.resolved.people)
        for subject in target.subjects:
            reason = reason.replace(subject, self._id)
        self._reason = reason

    def run(self) -> Erased:
        """Everything, in an order in which each part can be done again."""
        ctx = self._ctx
        self._finish_shreds()
        found = self._search.run(roots=_known(self._id, ctx=ctx))
        begun = self._unfinished()
        if not remains(found) and begun is None:
            return self._nothing()
        if held := holds_of(self._search.resolved.scopes, found.held.answers, ctx=ctx):
            raise UsageError("erasure.on_hold", holds=", ".join(held))
        begun = begun or self._begin(found)
        ctx.progress.say(f"erasing {self._id}: {remains(found)} rows, lines and texts")
        for _ in range(_rounds):
            self._remember()
            self._production(found)
            self._data(found)
            found = self._search.run(roots={*found.checkpoints, *begun.facts["checkpoints"]})
            if not remains(found):
                break
        ahead = retraining(found.releases, tainted=found.checkpoints, replaced=lineage.replaced(ctx.ledger), ctx=ctx)
        self._taint(found, ahead)
        done = self._done(found, begun, ahead=ahead)
        self._notes.unlink(missing_ok=True)
        return done

    def _nothing(self) -> Erased:
        earlier = _last(DONE, self._id, ctx=self._ctx)
        if earlier is None:
            raise UsageError("erasure.nobody")
        return Erased(id=self._id, facts=earlier.facts, replaced={}, retraining=(), again=True)

    def _remember(self) -> None:
        """Keep the ids of what was found until it is over: a row that tells of another's origin may be gone first."""
        self._notes.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._notes, digests.canonical(sorted(self._search.rows)))

    def _remembered(self) -> list[str]:
        rows: list[str] = json.loads(self._notes.read_bytes()) if self._notes.exists() else []
        return rows

    def _unfinished(self) -> Event | None:
        begun, done = (_last(kind, self._id, ctx=self._ctx) for kind in (BEGUN, DONE))
        return begun if begun is not None and (done is None or done.seq < begun.seq) else None

    def _begin(self, found: Affected) -> Event:
        facts = {
            "people": self._people,
            "checkpoints": list(found.checkpoints),
            "scopes": sorted(self._search.resolved.scopes),
            "artifacts": [*(one.artifact for one in found.holdings), *(one.artifact for one in found.lines)],
            "reason": self._reason,
        }
        self._ctx.ledger.note(BEGUN, self._id, facts=facts, actor=self._ctx.actor)
        event = _last(BEGUN, self._id, ctx=self._ctx)
        assert event is not None, "it was written just now"
        return event

    def _production(self, found: Affected) -> None:
        """Texts first: a gateway that runs sees these events, and gives no kept answer of theirs from then on."""
        ctx = self._ctx
        ctx.ledger.erase_scopes(self._search.resolved.scopes, actor=ctx.actor, reason=self._reason)
        for answer in self._target.answers:
            if ctx.ledger.answered(answer) is not None:
                ctx.ledger.erase(answer, actor=ctx.actor, reason=self._reason)
        for subject in self._target.subjects:
            ctx.ledger.sketches.forget(subject)
        ctx.progress.say(f"texts: {found.held.texts}")
        for path in cache_files(ctx) if found.held.answers else ():
            try:
                drop_kept(path, found.held.answers)
            except sqlite3.Error as error:
                ctx.progress.say(f"{path.name} cannot be changed, its answers leave it by age: {error}")
        self._drop_shared(found.held.answers)

    def _drop_shared(self, answers: Collection[str]) -> None:
        """Remove copies from the server that gateways share; it is asked no more once it was away."""
        if self._cache is None or self._away or not answers:
            return
        try:
            count = self._cache.drop(answers)
            self._ctx.progress.say(f"{self._cache.name}: {count} copies out")
        except ShelfFault as error:
            self._away = True
            self._ctx.progress.say(f"{self._cache.name} cannot be reached, gateways clean it when it is back: {error}")

    def _data(self, found: Affected) -> None:
        ctx, replaced = self._ctx, lineage.replaced(self._ctx.ledger)
        for holding in found.holdings:
            replaced = rewrite([holding], person=self._id, ctx=ctx, replaced=replaced)
            files = [*holding.rows, *holding.views, *self._naming(holding.artifact)]
            self._shred(holding.artifact, files, by=replaced[holding.artifact], count=holding.count)
        rows = self._search.rows
        answers = {*found.held.answers, *self._target.answers}
        for one in found.lines:
            by = without(one, rows=rows, answers=answers, replaced=replaced, ctx=ctx)
            replaced[one.artifact] = by
            self._shred(one.artifact, [*one.lines, *one.pages], by=by, count=one.count)

    def _naming(self, artifact: str) -> list[str]:
        """Files that may name rows, beside those that hold them."""
        return [name for name in (REPORT, FOLDS) if name in self._ctx.store.load(artifact).files]

    def _shred(self, artifact: str, files: Collection[str], *, by: str, count: int) -> None:
        facts = {"files": sorted(files), "by": by, "of": self._id, "count": count}
        self._ctx.ledger.note(lineage.SHREDDED, artifact, facts=facts, actor=self._ctx.actor)
        self._ctx.progress.say(f"{digests.short(artifact)}: {count} out, replaced by {digests.short(by)}")
        self._ctx.store.shred(artifact, files)
        self._search.forget(artifact)

    def _finish_shreds(self) -> None:
        """Remove files whose event was written by a run that died then."""
        for event in self._ctx.ledger.events(kind=lineage.SHREDDED):
            if event.facts.get("of") == self._id and event.subject in self._ctx.store.list():
                self._ctx.store.shred(event.subject, event.facts["files"])

    def _taint(self, found: Affected, ahead: Collection[Retraining]) -> None:
        ctx = self._ctx
        clean = {one.release: one.clean for one in ahead}
        for release, names in found.releases.items():
            marked = ctx.ledger.events(kind=TAINTED, subject=release)
            if any(event.facts["of"] == self._id for event in marked):
                continue
            facts = {"of": self._id, "names": list(names), "answers": found.held.served[release]}
            facts |= {"clean": clean[release]} if release in clean else {}
            ctx.ledger.note(TAINTED, release, facts=facts, actor=ctx.actor)
            ctx.progress.say(f"{digests.short(release)} is tainted, {', '.join(names) or 'nothing'} stands for it")

    def _done(self, found: Affected, begun: Event, *, ahead: tuple[Retraining, ...]) -> Erased:
        ctx = self._ctx
        shredded = [
            event
            for event in ctx.ledger.events(kind=lineage.SHREDDED, after=begun.seq)
            if event.facts.get("of") == self._id
        ]
        texts = sum(
            event.facts["payloads"]
            for event in ctx.ledger.events(kind="subject.erased", after=begun.seq)
            if event.subject in self._search.resolved.scopes
        )
        singles = ctx.ledger.events(kind="payload.erased", after=begun.seq)
        texts += sum(event.subject in {*self._target.answers} for event in singles)
        facts = {
            "people": self._people,
            "rows": sum(e.facts["count"] for e in shredded if e.subject.startswith(("corpus:", "dataset:"))),
            "lines": sum(e.facts["count"] for e in shredded if e.subject.startswith(("traffic:", "report:"))),
            "artifacts": len(shredded),
            "texts": texts,
            "answers": len(found.held.answers),
            "checkpoints": list(found.checkpoints),
            "releases": list(found.releases),
            "served": found.served,
            "unreadable": len(found.unreadable),
            "left": remains(found),
            "retrain": [{"release": one.release, "clean": one.clean, "minutes": one.minutes} for one in ahead],
            "reason": self._reason,
        }
        if self._away and self._cache is not None:
            facts["away"] = self._cache.name
        ctx.ledger.note(DONE, self._id, facts=facts, actor=ctx.actor)
        replaced = {event.subject: event.facts["by"] for event in shredded}
        return Erased(id=self._id, facts=facts, replaced=replaced, retraining=ahead)


def _known(identity: str, *, ctx: RunContext) -> set[str]:
    """Checkpoints that earlier erasures of the same found: their rows are gone, their weights are not."""
    events = ctx.ledger.events(kind=(BEGUN, DONE), subject=identity)
    return {checkpoint for event in events for checkpoint in event.facts["checkpoints"]}


def _last(kind: str, subject: str, *, ctx: RunContext) -> Event | None:
    found = None
    for event in ctx.ledger.events(kind=kind, subject=subject):
        found = event
    return found
