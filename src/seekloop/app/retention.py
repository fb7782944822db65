"""The `retention` verbs and their flags: what goes by age, and what must be kept."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from seekloop.app.erasure import Asked
from seekloop.app.flags import HERE, AsJson, Folder, spread
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer(help="How long texts are kept, and what must be kept.", no_args_is_help=True)


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.erasure:{name}")(**arguments)


@app.command("apply")
def apply(
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Only count.")] = False,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Destroy what is older than `retention` of seekloop.yaml says, legal holds apart."""
    _verb("retain", plan=plan, folder=project, as_json=as_json)


@app.command("hold")
@spread(Asked)
def hold(
    *,
    given: Asked,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "legal hold",
    project: Folder = HERE,
) -> None:
    """Keep a person's data, or answers, from being erased by anybody or by age."""
    _verb("hold", given=given, reason=reason, folder=project)


@app.command("lift")
@spread(Asked)
def lift(
    *,
    given: Asked,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "hold ended",
    project: Folder = HERE,
) -> None:
    """Take a legal hold away."""
    _verb("lift", given=given, reason=reason, folder=project)
