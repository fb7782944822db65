"""Verbs of API keys: create, list, show, revoke, rotate."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table
from seekloop.artifact.context import RunContext
from seekloop.artifact.credentials import Credential
from seekloop.artifact.journal import stamp
from seekloop.loop.project import Project
from seekloop.serve.access.issue import Grant, described, issue, moment, role_of, rotate
from seekloop.serve.limits import MICRO, Limits

__all__ = ["create", "listed", "renew", "revoke", "show"]


def create(*, name: str, given: Mapping[str, Any], by: str, reason: str, folder: Path, as_json: bool) -> None:
    """Make a key and print it."""
    with Project.open(folder).context() as ctx:
        expires = given["expires"]
        grant = Grant(
            name=name,
            tenant=given["tenant"],
            role=role_of(given["role"]),
            tier=given["tier"],
            limits=Limits.parse(rate=given["rate"], tokens=given["tokens"], cost=given["cost"]),
            expires_at=moment(expires, now=ctx.clock.now()) if expires else None,
        )
        credential, key = issue(grant, ledger=ctx.ledger, clock=ctx.clock, actor=by, reason=reason)
        _print_key(credential, key, ctx=ctx, as_json=as_json)


def listed(*, folder: Path, as_json: bool) -> None:
    """Show every key."""
    with Project.open(folder).context() as ctx:
        found = [_facts(credential, ctx=ctx) for credential in ctx.ledger.credentials.all()]
    if as_json:
        print_json(found)
        return
    names = ("name", "role", "tenant", "tier", "limits", "expires_at", "state")
    rows = [tuple(_shown(one[name]) for name in names) for one in found]
    print_table("keys", head=("name", "role", "tenant", "tier", "limits", "expires", "state"), rows=rows)


def show(*, name: str, folder: Path, as_json: bool) -> None:
    """Show one key with its use and history."""
    with Project.open(folder).context() as ctx:
        credential = ctx.ledger.credentials.find(name)
        history = [
            {"at": event.at, "what": event.kind, "by": event.actor, "reason": event.facts["reason"]}
            for event in ctx.ledger.credentials.events(identity=credential.id)
        ]
        month = ctx.clock.now().date().replace(day=1)
        rows = ctx.ledger.usage.of([credential.id], since=month.isoformat())
        facts = _facts(credential, ctx=ctx)
    used = {
        "requests": sum(row.requests for row in rows),
        "tokens": sum(row.tokens for row in rows),
        "cost": sum(row.cost for row in rows) / MICRO,
    }
    if as_json:
        print_json({**facts, "used_this_month": used, "history": history})
        return
    print_table("key", head=("", ""), rows=[(what, _shown(value)) for what, value in facts.items()])
    print_table(f"used since {month}", head=tuple(used), rows=[tuple(f"{value:g}" for value in used.values())])
    rows_told = [(_minute(one["at"]), one["what"], one["by"], one["reason"]) for one in history]
    print_table("history", head=("at", "what", "by", "why"), rows=rows_told)


def revoke(*, name: str, by: str, reason: str, folder: Path) -> None:
    """Refuse a key from now on."""
    with Project.open(folder).context() as ctx:
        credential = ctx.ledger.credentials.find(name)
        ctx.ledger.credentials.revoke(credential.id, actor=by, reason=reason)
    print(f"{credential.name} ({credential.id}) is revoked")


def renew(*, name: str, grace: str | None, by: str, reason: str, folder: Path, as_json: bool) -> None:
    """Give a key a new secret and print it."""
    with Project.open(folder).context() as ctx:
        credential = ctx.ledger.credentials.find(name)
        now = ctx.clock.now()
        grace_s = (moment(grace, now=now) - now).total_seconds() if grace else 0.0
        key = rotate(credential, ledger=ctx.ledger, clock=ctx.clock, grace_s=grace_s, actor=by, reason=reason)
        _print_key(credential, key, ctx=ctx, as_json=as_json)


def _print_key(credential: Credential, key: str, *, ctx: RunContext, as_json: bool) -> None:
    facts = _facts(credential, ctx=ctx)
    if as_json:
        print_json({**facts, "key": key})
        return
    told = [f"{facts['role']} of {facts['tenant']}", f"limits {_shown(facts['limits'])}"]
    told.append(f"expires {_shown(facts['expires_at'])}")
    print(f"{credential.name} ({credential.id}): {'; '.join(told)}; keep this key, it is shown once", file=sys.stderr)
    print(key)


def _facts(credential: Credential, *, ctx: RunContext) -> dict[str, Any]:
    return described(credential, at=stamp(ctx.clock.now()))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "never" if value is None else _minute(value) if _is_time(value) else str(value)


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and value.endswith("+00:00")


def _minute(at: str) -> str:
    """A time of the ledger, shortened for people."""
    return f"{at[:10]} {at[11:16]} UTC"
