"""Which release is in production, what it was made of, and how that changes: promote and roll back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Corpus, Dataset, Lesson, Release, Report
from seekloop.artifact.ledger import Alias
from seekloop.artifact.lineage import replacement
from seekloop.loop.gates import Verdict
from seekloop.loop.line import as_it_is_now
from seekloop.system import digests
from seekloop.system.errors import GateRefused, UsageError

__all__ = [
    "ROLLBACK",
    "TAINTED",
    "Released",
    "back",
    "corpus_of",
    "note_verdict",
    "promote",
    "promoted",
    "released",
    "roll_back",
    "to",
]

ROLLBACK = "rollback: "
"""How the reason of a move begins that went back."""
TAINTED = "release.tainted"
"""The event that a release was trained on somebody who was erased since."""
_before = ("base", "parent", "checkpoint")
"""Under which a checkpoint names the one that it was made from."""


@dataclass(frozen=True, kw_only=True)
class Released:
    """A release with what a next round starts from."""

    release: Release
    report: Report
    checkpoint: Checkpoint
    """What is served: a compressed form, or the tuned checkpoint itself."""
    tuned: Checkpoint
    """The adapter or full checkpoint that training continues."""
    base: Checkpoint
    """The untuned one that all of it goes back to."""
    frozen: Dataset
    """Whose test split every later round is held to: the first round's, without rows that were erased since."""
    trained_on: Dataset
    """Whose train rows are replayed; its ancestors' test rows are never trained."""


def promote(alias: str, release: Release, *, reason: str, ctx: RunContext) -> Alias:
    """Point `alias` at `release`; nothing is written where it points there already.

    Raises:
        GateRefused: it was trained on somebody who was erased since.
    """
    current = ctx.ledger.alias(alias)
    if current is not None and current.target == release.id:
        return current
    return _move(to(alias, release.id, reason=reason, ctx=ctx), ctx=ctx)


def roll_back(alias: str, *, reason: str, ctx: RunContext) -> Alias:
    """Point `alias` at the release before the current one.

    Raises:
        UsageError: there is no earlier release.
    """
    return _move(back(alias, reason=reason, ctx=ctx), ctx=ctx)


def to(alias: str, release: str, *, reason: str, ctx: RunContext) -> Alias:
    """The move that would point `alias` at `release`, from where it stands now.

    Raises:
        GateRefused: it was trained on somebody who was erased since.
    """
    if any(ctx.ledger.events(kind=TAINTED, subject=release)):
        raise GateRefused("loop.tainted", release=digests.short(release))
    current = ctx.ledger.alias(alias)
    version = current.version if current else 0
    return Alias(name=alias, target=release, version=version + 1, actor=ctx.actor, reason=reason, at="")


def back(alias: str, *, reason: str, ctx: RunContext) -> Alias:
    """The move that would point `alias` at the release before the current one.

    Going back twice goes back two releases: entries that were themselves rolled back are stepped over.

    Raises:
        UsageError: there is no earlier release.
    """
    stack: list[str] = []
    history = ctx.ledger.alias_history(alias)
    for entry in history:
        if len(stack) > 1 and stack[-2] == entry.target:
            stack.pop()
        else:
            stack.append(entry.target)
    if len(stack) < 2:
        raise UsageError("loop.nothing_to_roll_back", alias=alias)
    version, told = history[-1].version + 1, f"{ROLLBACK}{reason}"
    return Alias(name=alias, target=stack[-2], version=version, actor=ctx.actor, reason=told, at="")


def _move(move: Alias, *, ctx: RunContext) -> Alias:
    before = move.version - 1
    return ctx.ledger.move_alias(move.name, move.target, expected_version=before, actor=ctx.actor, reason=move.reason)


def promoted(alias: str, *, ctx: RunContext) -> Alias:
    """The move that put into production what `alias` stands for now.

    Raises:
        UsageError: nothing was promoted yet.
    """
    current = ctx.ledger.alias(alias)
    if current is None:
        raise UsageError("loop.nothing_released", alias=alias)
    return current


def released(alias: str, *, ctx: RunContext) -> Released:
    """The release that `alias` points at, opened with its parents.

    Raises:
        UsageError: nothing was promoted yet.
    """
    current = promoted(alias, ctx=ctx)
    store = ctx.store
    release = store.open(current.target, Release)
    report = store.open(_now(release.report, ctx=ctx), Report)
    checkpoint = store.open(release.checkpoint, Checkpoint)
    tuned = checkpoint
    while tuned.form not in ("full", "adapter") or (tuned.form == "full" and "checkpoint" in tuned.parents):
        tuned = store.open(tuned.parents["checkpoint"], Checkpoint)
    return Released(
        release=release,
        report=report,
        checkpoint=checkpoint,
        tuned=tuned,
        base=_origin(tuned, ctx=ctx),
        frozen=as_it_is_now(store.open(report.dataset, Dataset), ctx=ctx),
        trained_on=as_it_is_now(store.open(tuned.parents["dataset"], Dataset), ctx=ctx),
    )


def _now(identity: str, *, ctx: RunContext) -> str:
    """What an artifact is without the people who were erased from it since."""
    return replacement(identity, ledger=ctx.ledger)


def _origin(checkpoint: Checkpoint, *, ctx: RunContext) -> Checkpoint:
    """Where the line of a checkpoint begins."""
    before = next((checkpoint.parents[role] for role in _before if role in checkpoint.parents), None)
    return checkpoint if before is None else _origin(ctx.store.open(before, Checkpoint), ctx=ctx)


def corpus_of(lesson: Lesson, *, ctx: RunContext) -> Corpus:
    """The corrected rows of a lesson that asks for retraining."""
    assert lesson.corpus is not None, "a lesson that says retrain carries a corpus"
    return ctx.store.open(_now(lesson.corpus, ctx=ctx), Corpus)


def note_verdict(
    verdict: Verdict, candidate: Checkpoint, *, heard: Mapping[str, Any] | None = None, ctx: RunContext
) -> None:
    """Record what the gate said of `candidate`, with the digest of its rules; said again at once, it is nothing new.

    Args:
        verdict: of the gate.
        candidate: who it is about.
        heard: everything that it was decided from, as `rehearing` reads it.
        ctx: of the run.
    """
    facts: dict[str, Any] = {**verdict.model_dump(mode="json"), **(heard or {})}
    before = list(ctx.ledger.events(kind="gate.verdict", subject=candidate.id))
    if not before or before[-1].facts != facts:
        ctx.ledger.note("gate.verdict", candidate.id, facts=facts, actor=ctx.actor)
    ctx.progress.say(f"gate: {verdict.decision} for {digests.short(candidate.id)}")
