"""The work of the `rollout` verbs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table
from seekloop.loop.project import Project
from seekloop.serve.rollout.desk import Desk
from seekloop.serve.rollout.releases import history as release_history
from seekloop.serve.rollout.spec import RolloutSpec
from seekloop.serve.rollout.state import Rollout
from seekloop.system import digests

__all__ = ["abort", "explain", "history", "releases", "start", "status", "step"]

_actor = "local"


def start(*, file: Path, changes: Sequence[str], reason: str, folder: Path, as_json: bool) -> None:
    """Begin a rollout."""
    spec = RolloutSpec.load(file, changes=changes)
    with _desk(folder) as (desk, alias):
        begun = desk.start(spec, alias=alias, actor=_actor, reason=reason)
    if as_json:
        print_json(begun.as_json())
        return
    print(f"{begun.id}: {begun.spec.plan.mode} against {digests.short(begun.control)}, rules {begun.rule_digest}")


def status(*, identity: str | None, folder: Path, as_json: bool) -> None:
    """Print a rollout and what its rules say now."""
    with _desk(folder) as (desk, alias):
        found = desk.find(identity, alias=alias)
        judged = desk.now(found) if found.running else None
    if as_json:
        now = None if judged is None else {**judged.facts(), "sentences": judged.verdict.sentences()}
        print_json({**found.as_json(), "now": now})
        return
    print(_line(found))
    if judged is not None:
        print(f"{judged.minutes:.1f} minutes in this step; the rules say: {judged.verdict.action.replace('_', ' ')}")
        for sentence in judged.verdict.sentences():
            print(f"- {sentence}")


def step(*, identity: str | None, reason: str, folder: Path) -> None:
    """Go on by hand."""
    with _desk(folder) as (desk, alias):
        print(_line(desk.step(desk.find(identity, alias=alias), actor=_actor, reason=reason)))


def abort(*, identity: str | None, reason: str, folder: Path) -> None:
    """End a rollout by hand."""
    with _desk(folder) as (desk, alias):
        print(_line(desk.abort(desk.find(identity, alias=alias), actor=_actor, reason=reason)))


def history(*, folder: Path, as_json: bool) -> None:
    """Print every rollout and what happened to it."""
    with _desk(folder) as (desk, alias):
        found = [one for one in desk.read().known.values() if one.alias == alias]
    if as_json:
        print_json([one.as_json() for one in found])
        return
    rows = [
        (one.id, change.kind.removeprefix("rollout."), change.at[:19], change.actor, change.facts["reason"])
        for one in found
        for change in one.changes
    ]
    print_table("rollouts", head=("id", "what", "at", "by", "why"), rows=rows)


def explain(*, identity: str | None, folder: Path, as_json: bool) -> None:
    """Make every decision again."""
    with _desk(folder) as (desk, alias):
        found = desk.find(identity, alias=alias)
        decisions = desk.explain(found)
    if as_json:
        print_json({**found.as_json(), "decisions": [dataclasses.asdict(one) for one in decisions]})
        return
    print(_line(found))
    for one in decisions:
        print(f"{one.at[:19]} {one.what} by {one.actor}: {one.reason}")
        for sentence in one.sentences:
            print(f"  - {sentence}")
        if one.same_verdict is not None:
            print(f"  made again: verdict {_same(one.same_verdict)}, counts {_same(bool(one.same_counts))}")


def releases(*, folder: Path, as_json: bool) -> None:
    """Print every release and its history."""
    with _desk(folder) as (desk, _):
        found = release_history(desk)
    if as_json:
        print_json(found)
        return
    rows = [row for one in found for row in _rows(one)]
    print_table("releases", head=("release", "what", "at", "by", "why"), rows=rows)


@contextlib.contextmanager
def _desk(folder: Path) -> Iterator[tuple[Desk, str]]:
    project = Project.open(folder)
    with project.context() as ctx:
        yield Desk(ledger=ctx.ledger, store=ctx.store, clock=ctx.clock), project.spec.alias


def _line(rollout: Rollout) -> str:
    shares = ", ".join(f"{digests.short(release)} {share:.0%}" for release, share in rollout.shares)
    where = f"step {rollout.step + 1} of {len(rollout.spec.steps)} ({shares})"
    return f"{rollout.id}: {rollout.spec.plan.mode}, {rollout.phase}, {where}, against {digests.short(rollout.control)}"


def _rows(release: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    name = digests.short(release["release"])
    yield name, "made", release["created_at"][:19], "", ""
    for move in release["moves"]:
        yield name, f"{move['alias']} {move['version']}", move["at"][:19], move["actor"], move["reason"]
    for one in release["rollouts"]:
        yield name, f"{one['role']} of {one['id']}", "", "", one["phase"]


def _same(same: bool) -> str:
    return "the same, byte for byte" if same else "DIFFERENT"
