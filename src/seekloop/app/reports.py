"""The verbs that look at reports, and their flags: the page, the errors, and whether a dataset is worth a full run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer()

ReportId = Annotated[str, typer.Argument(metavar="REPORT", help="Report id.")]


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.{name}")(**arguments)


@app.command("report")
def page(
    *,
    report: ReportId,
    out: Annotated[Path, typer.Option(help="File to write: .html for a page, .md for a pull request.")] = Path(
        "report.html"
    ),
    project: Folder = HERE,
) -> None:
    """Write a report as one page that needs nothing else, or as Markdown: figures, plots, errors, provenance."""
    _verb("reports:page", report=report, out=out, folder=project)


@app.command("errors")
def errors(
    *,
    report: ReportId,
    to_label: Annotated[Path | None, typer.Option(help="Write the wrong answers' rows for annotation here.")] = None,
    format: Annotated[str, typer.Option("--format", help="label-studio, argilla or items.")] = "label-studio",
    collect: Annotated[
        Path | None, typer.Option(help="Write what to collect next: .yaml to read, .jsonl as a source.")
    ] = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show what a report's wrong answers have in common; write them to be labelled, and what to collect next."""
    _verb(
        "reports:errors",
        report=report,
        to_label=to_label,
        format=format,
        collect=collect,
        folder=project,
        as_json=as_json,
    )


@app.command("quick")
def quick(
    *,
    spec: Annotated[Path | None, typer.Argument(help="YAML file of what to try; default: 12, 25 and 50 %.")] = None,
    sources: Annotated[list[str], typer.Option("--from", metavar="ID", help="A dataset and a checkpoint.")] = [],  # noqa: B006
    changes: Annotated[list[str], typer.Option("--set", help="Change one key: minutes=10. Repeatable.")] = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="Write the learning curve as a page here.")] = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Train one epoch on samples; say whether a dataset is worth the full run, too small, or the problem."""
    _verb("quick:quick", spec=spec, sources=sources, changes=changes, out=out, folder=project, as_json=as_json)
