"""Verbs of the loop by itself: watch, once, status, templates."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from seekloop.app.console import print_json, print_table, reporter
from seekloop.artifact.leases import Lease
from seekloop.loop.project import Project
from seekloop.loop.watch import daemon
from seekloop.loop.watch import once as looking
from seekloop.loop.watch.cycle import Stopped
from seekloop.loop.watch.cycles import Cycle
from seekloop.loop.watch.held import NAME
from seekloop.loop.watch.once import Outcome
from seekloop.loop.watch.templates import write

__all__ = ["once", "status", "templates", "watch"]

_later = 5


def watch(*, folder: Path, changes: list[str]) -> None:
    """Look until SIGTERM or Ctrl-C."""
    project = Project.open(folder, changes=changes)
    with project.context(progress=reporter(), actor="loop") as ctx, daemon.stop_signals() as stop:
        daemon.watch(
            project.spec, stop=stop, heard=lambda found: print(_line(found), file=sys.stderr, flush=True), ctx=ctx
        )
        print("stopped; seekloop loop watch goes on from here", file=sys.stderr)


def once(*, folder: Path, changes: list[str], reason: str | None, as_json: bool) -> None:
    """Look once, or run a cycle because somebody says so.

    Raises:
        Exit: with the exit code of the outcome.
    """
    project = Project.open(folder, changes=changes)
    actor = "loop" if reason is None else "local"
    with project.context(progress=reporter(), actor=actor) as ctx, daemon.stop_signals() as stop:
        try:
            found = looking.once(project.spec, ctx=ctx, reason=reason, told=stop.is_set)
        except Stopped:
            print("stopped; the same command goes on from here", file=sys.stderr)
            raise typer.Exit(_later) from None
    if as_json:
        told = None if found.cycle is None else found.cycle.as_json()
        print_json({"what": found.what, "reason": found.reason, "exit_code": found.exit_code, "cycle": told})
    else:
        print(_line(found))
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def status(*, folder: Path, changes: list[str], last: int, as_json: bool) -> None:
    """Print the last cycles, what the triggers say, and what is in the way."""
    project = Project.open(folder, changes=changes)
    with project.context() as ctx:
        cycles, looked = looking.now(project.spec, ctx=ctx)
        lease = ctx.ledger.leases.find(NAME)
        held = lease if lease is not None and ctx.ledger.leases.live(lease) else None
    told = {
        "cycles": [one.as_json() for one in cycles[-last:]],
        "triggers": [
            {"trigger": one.trigger.model_dump(mode="json"), "fires": one.fired, "reason": one.reason}
            for one in looked.checks
        ],
        "barred": looked.barred,
        "due": None if looked.due is None else looked.due.isoformat(),
        "held_by": None if held is None else held.holder,
    }
    if as_json:
        print_json(told)
    else:
        _show(cycles[-last:], told, held=held)


def templates(*, out: Path, target: str) -> None:
    """Write the workflows of a CI system, or of all."""
    for path in write(target, out):
        print(path)


def _show(cycles: list[Cycle], told: dict[str, Any], *, held: Lease | None) -> None:
    rows = [(one.id, one.at[:16], one.trigger, one.state, one.why) for one in cycles]
    print_table("cycles", head=("cycle", "triggered", "by", "state", "why"), rows=rows)
    for one in told["triggers"]:
        print(f"{'fires' if one['fires'] else 'waits'}: {one['reason']}")
    if told["barred"]:
        print(f"nothing begins now: {told['barred']}")
    if told["due"]:
        print(f"due: {told['due'][:16]}")
    if held is not None:
        print(f"{held.holder} is at it")


def _line(found: Outcome) -> str:
    if found.cycle is None:
        return f"{found.what}: {found.reason}"
    return f"{found.cycle.id} {found.cycle.state}: {found.reason}"
