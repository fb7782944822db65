"""The `review` verbs and their flags: the queue of answers that people look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer(
    help="Review: people accept, correct or discard answers, each decision in the ledger.", no_args_is_help=True
)

Reviewer = Annotated[str, typer.Option("--reviewer", help="Who looks; decisions are recorded under this name.")]
AnswerId = Annotated[str, typer.Argument(metavar="ANSWER", help="Id of the answer.")]
Reason = Annotated[str, typer.Option(help="Why, for people.")]


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.review:{name}")(**arguments)


@app.command("list")
def show_all(*, project: Folder = HERE, as_json: AsJson = False) -> None:
    """Show the queue: what waits, what is disputed, what is settled."""
    _verb("show_all", folder=project, as_json=as_json)


@app.command("next")
def show_next(*, reviewer: Reviewer = "local", project: Folder = HERE, as_json: AsJson = False) -> None:
    """Show the next answer, and keep it to this reviewer for a quarter of an hour."""
    _verb("show_next", reviewer=reviewer, folder=project, as_json=as_json)


@app.command("accept")
def accept(*, answer: AnswerId, reviewer: Reviewer = "local", reason: Reason = "", project: Folder = HERE) -> None:
    """Say that an answer was right."""
    _verb("decide", answer=answer, said={"decision": "accept", "reason": reason}, reviewer=reviewer, folder=project)


@app.command("correct")
def correct(
    *,
    answer: AnswerId,
    label: Annotated[str | None, typer.Option(help="The right label.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="The right answer in full.")] = None,
    reviewer: Reviewer = "local",
    reason: Reason = "",
    project: Folder = HERE,
) -> None:
    """Say what would have been right."""
    said = {"decision": "correct", "label": label, "correction": text, "reason": reason}
    _verb("decide", answer=answer, said=said, reviewer=reviewer, folder=project)


@app.command("discard")
def discard(*, answer: AnswerId, reviewer: Reviewer = "local", reason: Reason = "", project: Folder = HERE) -> None:
    """Say that nothing is to be learned from an answer."""
    _verb("decide", answer=answer, said={"decision": "discard", "reason": reason}, reviewer=reviewer, folder=project)


@app.command("doubt")
def doubt(*, answer: AnswerId, reviewer: Reviewer = "local", reason: Reason = "", project: Folder = HERE) -> None:
    """Ask for a second opinion."""
    _verb("doubt", answer=answer, reviewer=reviewer, reason=reason, folder=project)


@app.command("export")
def export(
    *,
    out: Annotated[Path, typer.Argument(help="File to write: .csv or .jsonl.")],
    reviewer: Reviewer = "local",
    project: Folder = HERE,
) -> None:
    """Write what waits for a reviewer and what they decided."""
    _verb("export", out=out, reviewer=reviewer, folder=project)


@app.command("import")
def take(
    *,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A filled sheet.")],
    reviewer: Reviewer = "local",
    project: Folder = HERE,
) -> None:
    """Read decisions that were made in a sheet; all of a file or nothing."""
    _verb("take", source=source, reviewer=reviewer, folder=project)


@app.command("serve")
def serve(
    *,
    reviewers: Annotated[list[str], typer.Option("--reviewer", help="Who looks. Repeatable.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8766,
    project: Folder = HERE,
) -> None:
    """Open the review page, with a link of their own for each reviewer, until interrupted."""
    _verb("serve", reviewers=reviewers, host=host, port=port, folder=project)
