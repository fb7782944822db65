"""The `keys` verbs and their flags: API keys of the gateway, made, shown, rotated and revoked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder, spread
from seekloop.system.lazy import resolve

__all__ = ["app"]

app = typer.Typer(help="API keys of the gateway: who may ask what, and how much.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name or id of the key.")]
By = Annotated[str, typer.Option(help="Who does this; kept in the ledger.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]


def _verb(name: str, /, **arguments: Any) -> None:
    resolve(f"seekloop.app.verbs.keys:{name}")(**arguments)


@dataclass(frozen=True, kw_only=True)
class _New:
    """Flags of `create`: who gets the key, and what it may."""

    role: Annotated[str, typer.Option(help="viewer, user, reviewer, operator or admin.")] = "user"
    tenant: Annotated[str, typer.Option(help="Whose data it asks and gives; kept apart from other tenants'.")] = "local"
    tier: Annotated[int, typer.Option(help="Whose requests go first; 0 is the highest.", min=0)] = 1
    rate: Annotated[str | None, typer.Option(help="Requests: 10/s, 60/min or 1000/h.")] = None
    tokens: Annotated[list[str], typer.Option(help="Tokens: 1e6/day or 2e7/month. Repeatable.")] = field(
        default_factory=list
    )
    cost: Annotated[list[str], typer.Option(help="Money: 5/day or 100/month. Repeatable.")] = field(
        default_factory=list
    )
    expires: Annotated[str | None, typer.Option(help="90d, 12h or an ISO 8601 time; default: never.")] = None


@app.command("create")
@spread(_New)
def create(
    *,
    name: Annotated[str, typer.Argument(help="What its holder is called in the ledger.")],
    given: _New,
    by: By = "local",
    reason: Reason = "by hand",
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it: once, nobody can tell it again."""
    _verb("create", name=name, given=asdict(given), by=by, reason=reason, folder=project, as_json=as_json)


@app.command("list")
def listed(*, project: Folder = HERE, as_json: AsJson = False) -> None:
    """Show every key: role, tenant, limits and whether it is in use."""
    _verb("listed", folder=project, as_json=as_json)


@app.command("show")
def show(*, name: Name, project: Folder = HERE, as_json: AsJson = False) -> None:
    """Show one key: what it may, what it used this month, and what happened to it, by whom and why."""
    _verb("show", name=name, folder=project, as_json=as_json)


@app.command("revoke")
def revoke(*, name: Name, by: By = "local", reason: Reason = "by hand", project: Folder = HERE) -> None:
    """Refuse a key from now on; every gateway knows within a second."""
    _verb("revoke", name=name, by=by, reason=reason, folder=project)


@app.command("rotate")
def rotate(
    *,
    name: Name,
    grace: Annotated[str | None, typer.Option(help="Take the old secret, too, for so long: 1h, 7d.")] = None,
    by: By = "local",
    reason: Reason = "by hand",
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Give a key a new secret and print it; id, limits and what is used up stay."""
    _verb("renew", name=name, grace=grace, by=by, reason=reason, folder=project, as_json=as_json)
