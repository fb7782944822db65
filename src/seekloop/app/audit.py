"""The `audit` verbs and their flags: what was answered, proofs of it, and its erasure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer(help="The audit: one signed row an answer, its text encrypted and erasable.", no_args_is_help=True)


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.audit:{name}")(**arguments)


@app.command("show")
def show(
    *,
    answer: Annotated[str, typer.Argument(metavar="ANSWER", help="Answer id.")],
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show an answer's row: figures, signature, and the text if its key is here."""
    _verb("show", identity=answer, folder=project, as_json=as_json)


@app.command("export")
def export(
    *,
    first: Annotated[str | None, typer.Option("--from", help="ISO 8601 time; default: the beginning.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="ISO 8601 time; default: now.")] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("audit.jsonl"),
    texts: Annotated[bool, typer.Option("--texts", help="Texts in clear too.")] = False,
    project: Folder = HERE,
) -> None:
    """Write the events of a span as JSON lines with their signatures."""
    _verb("export", first=first, last=last, out=out, texts=texts, folder=project)


@app.command("check")
def check(
    *, file: Annotated[Path, typer.Argument(help="What `audit export` wrote.", exists=True)], project: Folder = HERE
) -> None:
    """Check every line of an export with the project's ledger key."""
    _verb("check", file=file, folder=project)


@app.command("encrypt")
def encrypt(project: Folder = HERE) -> None:
    """Encrypt the texts of a ledger from before texts were encrypted."""
    _verb("encrypt", folder=project)


@app.command("rotate")
def rotate(
    *,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only make the next key, to be copied to machines that share the vault.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "by the calendar",
    project: Folder = HERE,
) -> None:
    """Replace the master key of the texts' keys (payload.key); every text stays readable all the while."""
    _verb("rotate", prepare=prepare, reason=reason, folder=project)


@app.command("erase")
def erase(
    *,
    subject: Annotated[str, typer.Argument(metavar="TENANT[/CALLER[/USER]]", help="Whose texts.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "asked by the person",
    project: Folder = HERE,
) -> None:
    """Destroy the keys of a subject's texts; the figures of their answers stay."""
    _verb("erase", subject=subject, reason=reason, folder=project)
