"""The `rollout` verbs and `releases`: a new release meets a share of the traffic, under rules written down before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app", "releases"]

app = typer.Typer(help="Roll a release out to a share of the traffic, under rules.", no_args_is_help=True)

Which = Annotated[str | None, typer.Argument(metavar="[ID]", help="Rollout id, or its beginning; default: the newest.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.rollout:{name}")(**arguments)


@app.command("start")
def start(
    *,
    file: Annotated[Path, typer.Argument(help="YAML file of the plan and its rules.")],
    changes: Annotated[list[str], typer.Option("--set", help="Change one key: alpha=0.01. Repeatable.")] = [],  # noqa: B006
    reason: Reason = "by hand",
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Begin a canary, a split or a shadow; running gateways follow."""
    _verb("start", file=file, changes=changes, reason=reason, folder=project, as_json=as_json)


@app.command("status")
def status(*, identity: Which = None, project: Folder = HERE, as_json: AsJson = False) -> None:
    """Show how far a rollout has come, and what each rule says now."""
    _verb("status", identity=identity, folder=project, as_json=as_json)


@app.command("step")
def step(*, identity: Which = None, reason: Reason = "by hand", project: Folder = HERE) -> None:
    """Give the candidate its next share now, or everything after the last one."""
    _verb("step", identity=identity, reason=reason, folder=project)


@app.command("abort")
def abort(
    *,
    identity: Which = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    project: Folder = HERE,
) -> None:
    """End a rollout: the release in production answers everybody."""
    _verb("abort", identity=identity, reason=reason, folder=project)


@app.command("history")
def history(*, project: Folder = HERE, as_json: AsJson = False) -> None:
    """List every rollout with what happened to it, when, by whom and why."""
    _verb("history", folder=project, as_json=as_json)


@app.command("explain")
def explain(*, identity: Which = None, project: Folder = HERE, as_json: AsJson = False) -> None:
    """Make every decision on a rollout again from the ledger, and say whether it comes out the same."""
    _verb("explain", identity=identity, folder=project, as_json=as_json)


def releases(project: Folder = HERE, as_json: AsJson = False) -> None:
    """List every release: when it was in production, who moved it there and why, and its rollouts."""
    _verb("releases", folder=project, as_json=as_json)
