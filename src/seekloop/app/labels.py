"""The `labels` verbs and their flags: exchange with annotation tools, agreement of raters, queue and decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer(help="Labels: exchange with annotation tools, agreement of raters, decisions.", no_args_is_help=True)

Classes = Annotated[Path | None, typer.Option("--taxonomy", help="The classes: YAML, JSON, CSV or indented text.")]
Control = Annotated[str | None, typer.Option("--control", help="Control or question to take, where several are.")]


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.labels:{name}")(**arguments)


@app.command("export")
def export(
    *,
    source: Annotated[str, typer.Argument(help="corpus:ID, dataset:ID, a data file or an annotation file.")],
    out: Annotated[Path, typer.Argument(help="File to write.")],
    format: Annotated[str, typer.Option("--format", help="label-studio, argilla or items.")] = "label-studio",
    taxonomy: Classes = None,
    multi: Annotated[bool, typer.Option("--multi", help="Rows may have several labels.")] = False,
    rater: Annotated[str | None, typer.Option(help="Whose judgement the rows' labels are; default: a guess.")] = None,
    config: Annotated[Path | None, typer.Option(help="Also write the tool's configuration here.")] = None,
    project: Folder = HERE,
) -> None:
    """Write rows for an annotation tool, and say what its format cannot hold."""
    shape = {"format": format, "taxonomy": taxonomy, "multi": multi, "rater": rater, "config": config}
    _verb("export", source=source, out=out, folder=project, shape=shape)


@app.command("import")
def take(
    *,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What the annotation tool gave.")],
    out: Annotated[Path, typer.Argument(help="File of items to write (JSON Lines).")],
    control: Control = None,
) -> None:
    """Read what an annotation tool gave, every rater's judgement of it, into items."""
    _verb("take", source=source, out=out, control=control)


@app.command("agreement")
def agreement(
    *,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="An annotation file of several raters.")],
    metric: Annotated[str, typer.Option(help="nominal, ordinal, interval, jaccard or masi.")] = "nominal",
    taxonomy: Classes = None,
    control: Control = None,
    as_json: AsJson = False,
) -> None:
    """Print how far raters agree: alpha and kappas with intervals, each label, each pair of raters."""
    _verb("agreement", source=source, metric=metric, taxonomy=taxonomy, control=control, as_json=as_json)


@app.command("queue")
def queue(
    *,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="An annotation file of several raters.")],
    folder: Annotated[Path, typer.Argument(metavar="QUEUE", help="Folder of the queue; decisions in it stay.")],
    taxonomy: Classes = None,
    control: Control = None,
    accept: Annotated[float | None, typer.Option(help="Decide by proposals at least this probable.")] = None,
    project: Folder = HERE,
) -> None:
    """Put the rows that raters dispute into a queue, the worst first, each with a proposal."""
    given = {"taxonomy": taxonomy, "control": control, "accept": accept}
    _verb("queue", source=source, queue_folder=folder, given=given, folder=project)


@app.command("decide")
def decide(
    *,
    folder: Annotated[Path, typer.Argument(metavar="QUEUE", help="Folder of the queue.")],
    item: Annotated[str | None, typer.Argument(help="Row id; default: show the next one.")] = None,
    labels: Annotated[list[str], typer.Option("--label", help="Its label, or none. Repeatable.")] = [],  # noqa: B006
    by: Annotated[str | None, typer.Option(help="Who decides.")] = None,
    why: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "by hand",
    revise: Annotated[bool, typer.Option("--revise", help="Change what was decided before.")] = False,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Decide a disputed row, or show the next one; who, when and why go into the ledger."""
    choice = {"item": item, "labels": labels, "revise": revise}
    _verb("decide", queue_folder=folder, choice=choice, by=by, why=why, folder=project, as_json=as_json)
