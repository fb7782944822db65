"""Verbs that show others what there is: evidence, cards, a bill of materials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer()

Language = Annotated[str | None, typer.Option(help="en or zh; default: yours.")]


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.compliance:{name}")(**arguments)


@app.command("evidence")
def evidence(
    *,
    what: Annotated[str | None, typer.Argument(metavar="[check]", help="`check`: check an export.")] = None,
    path: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="With `check`: the folder or zip.")] = None,
    out: Annotated[Path | None, typer.Option(help="New folder to write to; a zip is written beside it.")] = None,
    first: Annotated[str | None, typer.Option(help="Events after this ISO 8601 time; default: all.")] = None,
    last: Annotated[str | None, typer.Option(help="Events until this ISO 8601 time; default: now.")] = None,
    key: Annotated[Path | None, typer.Option(help="With `check`: public keys (PEM) of whoever signed.")] = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Write signed evidence from the ledger for controls of ISO 27001:2022; or check such an export."""
    if what is None:
        _verb("evidence", out=out, first=first, last=last, folder=project, as_json=as_json)
    else:
        _verb("check", what=what, path=path, key=key, folder=project, as_json=as_json)


@app.command("card")
def card(
    *,
    identity: Annotated[str, typer.Argument(metavar="ID", help="Checkpoint, release, dataset or corpus.")],
    out: Annotated[Path | None, typer.Option(help="Write it to this file.")] = None,
    language: Language = None,
    project: Folder = HERE,
) -> None:
    """Print the model card or data card of an artifact, from artifacts and the ledger alone."""
    _verb("card", identity=identity, out=out, language=language, folder=project)


@app.command("sbom")
def sbom(
    *,
    out: Annotated[Path | None, typer.Option(help="Write it to this file.")] = None,
    release: Annotated[str | None, typer.Option(metavar="ID", help="Name the parts of a release, too.")] = None,
    project: Folder = HERE,
) -> None:
    """Print the bill of materials of this installation, and of a release, as CycloneDX 1.6."""
    _verb("sbom", out=out, release=release, folder=project)
