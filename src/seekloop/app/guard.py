"""The `guard` verbs and their flags: who covers too much ground, what is normal, and whether a model was copied."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer(help="Extraction defence: who is copying the model.", no_args_is_help=True)


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.guard:{name}")(**arguments)


@app.command("learn")
def learn(
    *,
    days: Annotated[int, typer.Option(help="Days of answers to learn from.", min=1)] = 30,
    least: Annotated[int, typer.Option(help="Queries of a key on a day that counts.", min=50)] = 100,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Learn what is normal from the project's own answers; gateways judge by it from then on."""
    _verb("learn", days=days, least=least, folder=project, as_json=as_json)


@app.command("status")
def status(project: Folder = HERE, as_json: AsJson = False) -> None:
    """Show the baseline, and every key that was suspected or shut out."""
    _verb("status", folder=project, as_json=as_json)


@app.command("lift")
def lift(
    *,
    key: Annotated[str, typer.Argument(metavar="TENANT/CALLER", help="Whose key.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "by hand",
    project: Folder = HERE,
) -> None:
    """Let a key in again; it is not judged until its window has passed."""
    _verb("lift", key=key, reason=reason, folder=project)


@app.command("check")
def check(
    *,
    file: Annotated[
        Path, typer.Argument(help="Outputs of a suspect model: a text a line, or JSON lines.", exists=True)
    ],
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Look for our honeytokens and our watermark in what another model said."""
    _verb("check", file=file, folder=project, as_json=as_json)
