"""The `feedback` verbs and their flags: in from other systems, out to them, consent, and what was set aside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer(help="What people say of answers, and what became of them.", no_args_is_help=True)


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.feedback:{name}")(**arguments)


@app.command("import")
def import_(
    *,
    file: Annotated[Path, typer.Argument(help="CSV with a header, or JSON lines; one piece of feedback a line.")],
    caller: Annotated[str, typer.Option("--as", help="Which caller says it, for caps and consent.")] = "import",
    columns: Annotated[
        list[str], typer.Option("--map", help="COLUMN=FIELD, or COLUMN= to leave it aside. Repeatable.")
    ] = [],  # noqa: B006
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Record feedback and outcomes that another system knows; the same file again changes nothing."""
    _verb("import_", file=file, caller=caller, columns=columns, folder=project, as_json=as_json)


@app.command("export")
def export(
    *,
    out: Annotated[Path, typer.Argument(help="File to write: .csv or .jsonl.")],
    after: Annotated[str | None, typer.Option(help="Only what came after this ISO 8601 time.")] = None,
    project: Folder = HERE,
) -> None:
    """Write the ledger's feedback as `import` reads it."""
    _verb("export", out=out, after=after, folder=project)


@app.command("consent")
def consent(
    *,
    about: Annotated[str, typer.Argument(metavar="ANSWER|TENANT[/CALLER[/USER]]", help="What it is about.")],
    withdraw: Annotated[bool, typer.Option("--withdraw", help="No longer; without this flag, from now on.")] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "asked by the person",
    project: Folder = HERE,
) -> None:
    """Record that it may be learnt from somebody's answers from now on, or no longer."""
    _verb("consent", about=about, allowed=not withdraw, reason=reason, folder=project)


@app.command("aside")
def aside(
    *,
    lesson: Annotated[str | None, typer.Argument(help="Lesson id; default: the newest.")] = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """List the corrections that a lesson set aside for a review, and why."""
    _verb("aside", lesson=lesson, folder=project, as_json=as_json)
