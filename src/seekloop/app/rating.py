"""The `rate` verbs and their flags: studies of answers by people and by a judge, and the report that they become."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer(help="Ratings: people and a judge model look at answers, blind.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")]


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.rating:{name}")(**arguments)


@app.command("new")
def new(
    *,
    study: Name,
    reports: Annotated[list[str], typer.Argument(metavar="REPORT [REPORT_B]", help="Whose answers are judged.")],
    raters: Annotated[list[str], typer.Option("--rater", help="Who judges. Repeatable, or ann,bob.")] = [],  # noqa: B006
    ask: Annotated[str | None, typer.Option(help="rate, prefer or both; default: prefer for two reports.")] = None,
    dimensions: Annotated[Path | None, typer.Option(help="YAML file of questions and what 0 to 5 mean.")] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many rows for people.", min=1)] = None,
    reference: Annotated[bool, typer.Option("--reference", help="Show the dataset's right answer beside.")] = False,
    project: Folder = HERE,
) -> None:
    """Make a study of one report's answers, or of two reports' answers to the same rows."""
    given = {"raters": raters, "ask": ask, "dimensions": dimensions, "limit": limit, "reference": reference}
    _verb("new", name=study, reports=reports, given=given, folder=project)


@app.command("serve")
def serve(
    *,
    study: Name,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8765,
    project: Folder = HERE,
) -> None:
    """Open the rating page, with a link of their own for each rater, until interrupted."""
    _verb("serve", name=study, host=host, port=port, folder=project)


@app.command("status")
def status(*, study: Name, project: Folder = HERE, as_json: AsJson = False) -> None:
    """Show how far each rater is, and the judge."""
    _verb("status", name=study, folder=project, as_json=as_json)


@app.command("export")
def export(
    *,
    study: Name,
    out: Annotated[Path, typer.Argument(help="File to write.")],
    format: Annotated[str, typer.Option("--format", help="csv or argilla.")] = "csv",
    rater: Annotated[str | None, typer.Option(help="The sheet of one rater; default: of all.")] = None,
    settings: Annotated[Path | None, typer.Option(help="Also write Argilla's settings here.")] = None,
    project: Folder = HERE,
) -> None:
    """Write a study's sheets, blind, with the ratings so far."""
    shape = {"format": format, "rater": rater, "settings": settings}
    _verb("export", name=study, out=out, shape=shape, folder=project)


@app.command("import")
def take(
    *,
    study: Name,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A filled CSV sheet, or Argilla's records.")],
    project: Folder = HERE,
) -> None:
    """Read ratings that were made elsewhere; all of a file or nothing."""
    _verb("take", name=study, source=source, folder=project)


@app.command("judge")
def judge(
    *,
    study: Name,
    spec: Annotated[Path, typer.Argument(help="YAML file: endpoint, budget.")],
    changes: Annotated[list[str], typer.Option("--set", help="Change one key: budget.requests=100. Repeatable.")] = [],  # noqa: B006
    project: Folder = HERE,
) -> None:
    """Have a judge model answer the study's questions about every row; what was answered is not asked again."""
    _verb("judge", name=study, spec=spec, changes=changes, folder=project)


@app.command("close")
def close(*, study: Name, project: Folder = HERE, as_json: AsJson = False) -> None:
    """Make a report of a study's ratings: figures, win rate, agreement, and the judge held against the people."""
    _verb("close", name=study, folder=project, as_json=as_json)
