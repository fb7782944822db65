"""The roadmap and what it costs, with their flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer()

Changes = Annotated[list[str], typer.Option("--set", help="Change one threshold: class_rows=50. Repeatable.")]
Out = Annotated[Path | None, typer.Option(help="Write the report as Markdown here.")]


def _verb(**arguments: Any) -> None:
    resolve("seekloop.app.verbs.roadmap:report")(**arguments)


@app.command("costs")
def costs(
    *,
    changes: Annotated[list[str], typer.Option("--set", help="Change a price: core_hour=0.04. Repeatable.")] = [],  # noqa: B006
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """What every run, release and answer took: processor time, money, and energy (estimated), with the assumptions."""
    resolve("seekloop.app.verbs.costs:show")(changes=changes, folder=project, as_json=as_json)


@app.command("assess")
def assess(
    *,
    changes: Changes = [],  # noqa: B006
    assumed: Annotated[
        list[str], typer.Option("--assume", help="hardware, rows, row_tokens, task, deadline, price. Repeatable.")
    ] = [],  # noqa: B006
    out: Out = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Roadmap 1: data, labelling cost, business figures and hardware; a strategy, and what is missing to begin."""
    _verb(phase="assess", changes=changes, assumed=assumed, out=out, folder=project, as_json=as_json)


@app.command("experiment")
def experiment(
    *,
    changes: Changes = [],  # noqa: B006
    out: Out = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Roadmap 2: is the tuned model better, surely enough, small and quick enough; and what is missing to go live."""
    _verb(phase="experiment", changes=changes, assumed=[], out=out, folder=project, as_json=as_json)


@app.command("production")
def production(
    *,
    changes: Changes = [],  # noqa: B006
    out: Out = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Roadmap 3: is what runs gated, reversible, judged, watched and proven; and what is missing to leave it alone."""
    _verb(phase="production", changes=changes, assumed=[], out=out, folder=project, as_json=as_json)
