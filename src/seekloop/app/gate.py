"""The `gate` verbs: what the gate said of a candidate and why, made again from the ledger, and a person's last word."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer(help="What the gate said of candidates; approve or decline one.", no_args_is_help=True)

Candidate = Annotated[str, typer.Argument(metavar="CANDIDATE", help="Checkpoint id, or its beginning.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
By = Annotated[str, typer.Option(help="Your name; kept in the ledger.")]


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.gate:{name}")(**arguments)


@app.command("show")
def show(
    *,
    candidate: Annotated[
        str | None, typer.Argument(metavar="[CANDIDATE]", help="Checkpoint id, or its beginning; default: list all.")
    ] = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show the newest verdict on each candidate, or one with its reasons, rules and approval."""
    _verb("show", candidate=candidate, folder=project, as_json=as_json)


@app.command("replay")
def replay(*, candidate: Candidate, project: Folder = HERE, as_json: AsJson = False) -> None:
    """Make every verdict on a candidate again from what is stored, and compare the bytes."""
    _verb("replay", candidate=candidate, folder=project, as_json=as_json)


@app.command("approve")
def approve(*, candidate: Candidate, reason: Reason, by: By = "local", project: Folder = HERE) -> None:
    """Agree that a candidate goes into production; the loop's next run puts it there."""
    _verb("answer", candidate=candidate, agrees=True, reason=reason, by=by, folder=project)


@app.command("decline")
def decline(*, candidate: Candidate, reason: Reason, by: By = "local", project: Folder = HERE) -> None:
    """Keep a candidate out of production."""
    _verb("answer", candidate=candidate, agrees=False, reason=reason, by=by, folder=project)
