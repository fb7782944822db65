"""The `mine` verb and its flags: what a window of production shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer()


@app.command("mine")
def mine(
    *,
    after: Annotated[
        str | None, typer.Option(help="ISO 8601; the window begins here. Default: the last promotion.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(help="ISO 8601; an earlier window, from here to --after, is compared with.")
    ] = None,
    changes: Annotated[
        list[str], typer.Option("--set", help="Change one key: learn.mining.budget=20. Repeatable.")
    ] = [],  # noqa: B006
    queue: Annotated[bool, typer.Option("--queue", help="Put the picks into the review queue.")] = False,
    out: Annotated[Path | None, typer.Option(help="Also write the figures to this .json or .html file.")] = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Look at a window of production: wrong answers, drift, new intents, and what people should review."""
    resolve("seekloop.app.verbs.mining:run")(
        after=after, before=before, changes=changes, queue=queue, out=out, folder=project, as_json=as_json
    )
