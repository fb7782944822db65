"""`seekloop bench`: what this machine reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seekloop.app.flags import HERE
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer(help="Measure on this machine.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure on this machine."""


@app.command("engines")
def engines(
    *,
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="Checkpoint id, or its beginning.")],
    load: Annotated[int, typer.Option(help="Answers at the same time to be fastest at: 1, 8 or 32.")] = 8,
    draft: Annotated[
        str | None, typer.Option(help="Guess tokens: 'prompt', or the id of a GGUF checkpoint. Nothing is kept then.")
    ] = None,
    project: Annotated[Path, typer.Option("--project", "-p", help="Project folder.", show_default=True)] = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Measure every engine that runs a checkpoint, and have `engine: auto` take the fastest."""
    resolve("seekloop.app.verbs.engines:engines")(
        checkpoint=checkpoint, load=load, draft=draft, folder=project, as_json=as_json
    )
