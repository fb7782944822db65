"""Verbs of erasing: affected, erase, retention."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from seekloop.app.console import print_json, print_table
from seekloop.app.erasure import Asked
from seekloop.app.folder import context_of
from seekloop.artifact.context import RunContext
from seekloop.loop import retention
from seekloop.loop.erasure import erasing, holds
from seekloop.loop.erasure.affected import Affected
from seekloop.loop.erasure.erasing import Erased, Plan, remains
from seekloop.loop.erasure.retrain import Again, Retraining
from seekloop.loop.erasure.target import Target
from seekloop.loop.project import FILE, Project
from seekloop.serve.cache.shared import SharedCache
from seekloop.system import digests
from seekloop.system.files import write_whole

__all__ = ["AWAY", "STAYS", "affected", "erase", "hold", "lift", "retain"]

STAYS = (
    "not erased: weights, until they are trained again; backups, exports and copies made before; source files outside "
    "the project; work in progress; the figures, times and signatures of the events and their anchors"
)
AWAY = (
    "the response cache on {cache} cannot be reached: no gateway gives these answers any more, and their copies leave "
    "it when a gateway or the same erasure finds it again, or by age"
)


def affected(*, given: Asked, folder: Path, as_json: bool) -> None:
    """Print everything that the target got into."""
    with context_of(folder) as ctx:
        found = erasing.plan(_target(given), ctx=ctx, cache=_cache(folder)).found
    if as_json:
        print_json({"command": "affected", **found.as_json()})
        return
    print_table(found.id, head=("what", "id", "how much"), rows=_rows(found))
    print(STAYS)


def erase(*, given: Asked, plan: bool, reason: str, folder: Path, as_json: bool) -> None:
    """Erase the target, or show what that would do."""
    cache = _cache(folder)
    with context_of(folder) as ctx:
        if plan:
            _show_plan(erasing.plan(_target(given), ctx=ctx, cache=cache), as_json=as_json)
            return
        done = erasing.erase(_target(given), reason=reason, ctx=ctx, cache=cache)
        specs = [_write_specs(one, done, ctx=ctx) for one in done.retraining]
    if as_json:
        print_json({"command": "erase", **dataclasses.asdict(done), "commands": specs, "stays": STAYS})
        return
    _show(done, [line for lines in specs for line in lines])


def retain(*, plan: bool, folder: Path, as_json: bool) -> None:
    """Apply the project's retention."""
    project = Project.open(folder)
    with context_of(folder) as ctx:
        done = retention.apply(project.spec.retention, ctx=ctx, plan=plan)
    if as_json:
        print_json({"command": "retention", "plan": plan, "due": [dataclasses.asdict(one) for one in done]})
        return
    rows = [(one.kind, one.before, one.count, one.keys) for one in done]
    print_table("to go" if plan else "gone", head=("kind", "older than", "count", "keys"), rows=rows)


def hold(*, given: Asked, reason: str, folder: Path) -> None:
    """Put a legal hold on the target."""
    with context_of(folder) as ctx:
        print("\n".join(holds.place(_target(given), reason=reason, ctx=ctx)))


def lift(*, given: Asked, reason: str, folder: Path) -> None:
    """Take the legal hold away."""
    with context_of(folder) as ctx:
        print("\n".join(holds.lift(_target(given), reason=reason, ctx=ctx)))


def _cache(folder: Path) -> SharedCache | None:
    """The cache that the project's gateways share on a server; None: there is none."""
    return SharedCache.of(Project.open(folder).spec.gateway.cache) if (folder / FILE).exists() else None


def _target(given: Asked) -> Target:
    return Target(
        subjects=tuple(given.subject), rows=tuple(given.row), answers=tuple(given.answer), files=tuple(given.source)
    )


def _rows(found: Affected) -> list[tuple[str, str, str]]:
    """Lines of a table."""
    rows = []
    for one in found.holdings:
        counts = ", ".join(f"{name.removesuffix('.jsonl')} {len(ids)}" for name, ids in one.rows.items())
        ways = {"made of them": one.made, "copies": one.copies, "replayed": one.replayed}
        more = "".join(f"; {count} {way}" for way, count in ways.items() if count)
        rows.append((one.artifact.partition(":")[0], digests.short(one.artifact), counts + more))
        rows += [("  read from", name, f"{count} rows") for name, count in one.sources.items()]
    for lines in found.lines:
        shown = ", ".join(f"{name} {count}" for name, count in lines.lines.items())
        rows.append((lines.artifact.partition(":")[0], digests.short(lines.artifact), shown))
    rows += [("checkpoint", digests.short(one), "trained on them") for one in found.checkpoints]
    for release, names in found.releases.items():
        count = found.held.served[release]
        rows.append(
            ("release", digests.short(release), f"{', '.join(names) or 'nothing stands for it'}; {count} answers")
        )
    rows += [("report", digests.short(one), "measured on or with them") for one in found.reports]
    rows += [("lesson", digests.short(one), "learnt from them") for one in found.lessons]
    rows += [("export", where, "copied there") for where in found.exports]
    rows += [("unreadable", digests.short(one), "not in the store any more") for one in found.unreadable]
    return [*rows, *_production(found)]


def _production(found: Affected) -> list[tuple[str, str, str]]:
    held = found.held
    rows = [("answers", "", f"{len(held.answers)} asked, {held.texts} texts left, {found.cached} in caches")]
    rows += [(kind, "", str(len(ids))) for kind, ids in held.about.items()]
    if held.again:
        rows.append(("given again", "", f"{held.again} answers of others were one of these, from the cache"))
    if found.served:
        rows.append(("served", "", f"{found.served} answers were written by releases that were trained on them"))
    if found.erased:
        rows.append(("erased", str(found.erased["at"]), f"{found.erased['rows']} rows, {found.erased['texts']} texts"))
    return rows


def _show_plan(ahead: Plan, *, as_json: bool) -> None:
    if as_json:
        again = [{**dataclasses.asdict(one), "minutes": one.minutes} for one in ahead.retraining]
        told = {"found": ahead.found.as_json(), "retrain": again, "held": list(ahead.held), "stays": STAYS}
        print_json({"command": "erase", "plan": True, **told})
        return
    print_table(ahead.found.id, head=("what", "id", "how much"), rows=_rows(ahead.found))
    print(f"to erase: {remains(ahead.found)} rows, lines, texts and kept answers")
    for line in _told(ahead.retraining):
        print(line)
    for name in ahead.held:
        print(f"on hold: {name}")
    print(STAYS)


def _show(done: Erased, commands: Iterable[str]) -> None:
    if done.again:
        print(f"{done.id} was erased before, and nothing is left")
        return
    facts = done.facts
    print(
        f"{done.id}: {facts['rows']} rows and {facts['lines']} lines out of {facts['artifacts']} artifacts, "
        f"{facts['texts']} texts; {facts['left']} left"
    )
    if "away" in facts:
        print(AWAY.format(cache=facts["away"]))
    for line in (*_told(done.retraining), *commands):
        print(line)
    print(STAYS)


def _told(retrainings: Iterable[Retraining]) -> list[str]:
    """A line a release."""
    return [
        f"{digests.short(one.release)} ({', '.join(one.names)}) is tainted; clean parent {digests.short(one.clean)}, "
        f"{len(one.steps)} steps, about {one.minutes:.1f} min (seconds of the first time x rows left / rows then)"
        + (f"; until then: seekloop promote {digests.short(one.back_to)}" if one.back_to else "")
        for one in retrainings
    ]


def _write_specs(one: Retraining, done: Erased, *, ctx: RunContext) -> list[str]:
    """Write the spec of each step, and say the commands that take them."""
    folder = ctx.work.parent / "retrain" / done.id.rpartition(":")[2][:12]
    lines, checkpoint = [], one.clean
    for number, step in enumerate(one.steps, start=1):
        file = folder / f"{step.stage}-{number}.yaml"
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, yaml.safe_dump(_spec_of(step), sort_keys=False, allow_unicode=True).encode())
        inputs = [step.dataset, checkpoint] if step.dataset else [checkpoint]
        told = " ".join(f"--from {shlex.quote(digests.short(each))}" for each in inputs)
        lines.append(f"seekloop {step.stage} {shlex.quote(str(file))} {told}")
        checkpoint = f"checkpoint:STEP{number}"
    return lines


def _spec_of(step: Again) -> dict[str, Any]:
    return {name: value for name, value in step.spec.items() if value is not None}
