"""The verbs `affected` and `erase`, with their flags."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder, spread
from seekloop.system.lazy import resolve

__all__ = ["Asked", "app"]

app = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Whose data, or which."""

    subject: Annotated[
        list[str],
        typer.Option(
            help="A person: the id of a source, `subject:…`, or TENANT/CALLER/USER. Repeatable, for one person's ids."
        ),
    ] = field(default_factory=list)
    row: Annotated[list[str], typer.Option(metavar="ID", help="A row. Repeatable.")] = field(default_factory=list)
    answer: Annotated[list[str], typer.Option(metavar="ID", help="An answer. Repeatable.")] = field(
        default_factory=list
    )
    source: Annotated[list[str], typer.Option(metavar="FILE", help="A source file, as rows name it. Repeatable.")] = (
        field(default_factory=list)
    )


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.erasure:{name}")(**arguments)


@app.command()
@spread(Asked)
def affected(*, given: Asked, project: Folder = HERE, as_json: AsJson = False) -> None:
    """Show everything that a person, row, answer or source got into: data, models, releases, answers, copies."""
    _verb("affected", given=given, folder=project, as_json=as_json)


@app.command()
@spread(Asked)
def erase(
    *,
    given: Asked,
    plan: Annotated[bool, typer.Option("--plan", help="Show what it would do, and change nothing.")] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger, so no names.")] = "asked by the person",
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Erase rows, texts and kept answers, mark releases that were trained on them, and plan the retraining."""
    _verb("erase", given=given, plan=plan, reason=reason, folder=project, as_json=as_json)
