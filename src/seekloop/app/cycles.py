"""The `loop` verbs: the loop by itself, under triggers and a lease."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer(help="Let the loop run by itself: triggers, cycles, rollout.", no_args_is_help=True)

Changes = Annotated[list[str], typer.Option("--set", help="Change one key: watch.cool_down=2h. Repeatable.")]


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.cycles:{name}")(**arguments)


@app.command("watch")
def watch(*, project: Folder = HERE, changes: Changes = []) -> None:  # noqa: B006
    """Look again and again, and run a cycle whenever a trigger fires, until SIGTERM or Ctrl-C."""
    _verb("watch", folder=project, changes=changes)


@app.command("once")
def once(*, project: Folder = HERE, changes: Changes = [], as_json: AsJson = False) -> None:  # noqa: B006
    """Look once, for cron and CI. Exit code: 0 promoted, 2 a problem, 3 held or rolled back, 4 nothing to do here,
    5 a cycle goes on later."""
    _verb("once", folder=project, changes=changes, reason=None, as_json=as_json)


@app.command("run")
def run(
    *,
    reason: Annotated[str, typer.Option(help="Why now; kept in the ledger.")],
    project: Folder = HERE,
    changes: Changes = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Run a cycle now, whatever the triggers say; exit codes as of `once`."""
    _verb("once", folder=project, changes=changes, reason=reason, as_json=as_json)


@app.command("status")
def status(
    *,
    last: Annotated[int, typer.Option(help="Show so many cycles.", min=1)] = 5,
    project: Folder = HERE,
    changes: Changes = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Show the last cycles with why they ended as they did, what each trigger says now, and when the next is due."""
    _verb("status", folder=project, changes=changes, last=last, as_json=as_json)


@app.command("templates")
def templates(
    *,
    out: Annotated[Path, typer.Option(help="Folder to write; must not exist.")],
    target: Annotated[str, typer.Option("--for", help="github, gitlab or argo; default: all.")] = "all",
) -> None:
    """Write workflows that run the loop in GitHub Actions, GitLab CI or Argo Workflows."""
    _verb("templates", out=out, target=target)
