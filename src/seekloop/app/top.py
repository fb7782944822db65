"""The `top` verb and its flags: a gateway at a glance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seekloop.app.flags import HERE
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer()


@app.command("top")
def top(
    *,
    project: Annotated[Path, typer.Option("--project", "-p", help="Project folder.", show_default=True)] = HERE,
    url: Annotated[str | None, typer.Option(help="Address of a gateway; default: the project's own.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Its key, as '${NAME}' of the environment; default: the project's own.")
    ] = None,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.2)] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end: figures since the gateway's start.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; with --once.")] = False,
) -> None:
    """Show what a running gateway serves, how fast, from where, and what it refuses."""
    resolve("seekloop.app.verbs.watching:top")(
        folder=project, url=url, key=key, every=every, once=once or as_json, as_json=as_json
    )
