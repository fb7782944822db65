"""Making, rotating and revoking keys, and what a key of the ledger says of its holder."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any

from seekloop.artifact.credentials import Credential
from seekloop.artifact.journal import stamp
from seekloop.artifact.ledger import Ledger
from seekloop.serve.access import secret
from seekloop.serve.caller import Caller, Role
from seekloop.serve.limits import Limits
from seekloop.system.clock import Clock
from seekloop.system.errors import UsageError

__all__ = ["Grant", "caller_of", "described", "issue", "moment", "role_of", "rotate"]

_name = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_taken = ("local",)
"""Names of callers that hold no key of the ledger."""
_units = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a new key's holder is called and may do."""

    name: str
    tenant: str = "local"
    role: Role = Role.USER
    tier: int = 1
    limits: Limits = field(default_factory=Limits)
    expires_at: dt.datetime | None = None


def issue(grant: Grant, *, ledger: Ledger, clock: Clock, actor: str, reason: str) -> tuple[Credential, str]:
    """Make a key: what the ledger keeps of it, and its text, which nobody can tell again.

    Raises:
        UsageError: a name that is no name.
        LedgerError: the name is in use.
        MissingPackage: argon2-cffi is not installed.
    """
    for what, text in (("name", grant.name), ("tenant", grant.tenant)):
        if _name.fullmatch(text) is None or (what == "name" and text in _taken):
            raise UsageError("access.name_bad", what=what, name=text)
    identity, text = secret.make(ledger.credentials.tag)
    credential = Credential(
        id=identity,
        name=grant.name,
        digest=secret.hashed(text),
        grant={
            "role": grant.role.value,
            "tenant": grant.tenant,
            "tier": grant.tier,
            "limits": grant.limits.as_json(),
        },
        created_at=stamp(clock.now()),
        expires_at=stamp(grant.expires_at) if grant.expires_at else None,
    )
    ledger.credentials.create(credential, actor=actor, reason=reason)
    return credential, text


def rotate(
    credential: Credential, *, ledger: Ledger, clock: Clock, grace_s: float = 0.0, actor: str, reason: str
) -> str:
    """Give a key a new secret; returns its new text. The old one is taken for `grace_s` more seconds.

    Raises:
        LedgerError: the key is not in use any more.
        MissingPackage: argon2-cffi is not installed.
    """
    _, text = secret.make(ledger.credentials.tag, identity=credential.id)
    until = stamp(clock.now() + dt.timedelta(seconds=grace_s)) if grace_s else None
    ledger.credentials.rotate(credential.id, secret.hashed(text), former_until=until, actor=actor, reason=reason)
    return text


def caller_of(credential: Credential) -> Caller:
    """Who holds a key."""
    grant = credential.grant
    return Caller(
        name=credential.name,
        tenant=grant["tenant"],
        role=Role(grant["role"]),
        tier=grant["tier"],
        limits=Limits.of_json(grant["limits"]),
        key=credential.id,
    )


def described(credential: Credential, *, at: str) -> dict[str, Any]:
    """A key as JSON, with its state at the moment `at`: `in use`, `revoked` or `expired`."""
    caller = caller_of(credential)
    return {
        "id": credential.id,
        "name": caller.name,
        "role": caller.role.value,
        "tenant": caller.tenant,
        "tier": caller.tier,
        "limits": caller.limits.words,
        "created_at": credential.created_at,
        "expires_at": credential.expires_at,
        "revoked_at": credential.revoked_at,
        "state": "revoked" if credential.revoked_at else "in use" if credential.live(at) else "expired",
    }


def role_of(text: str) -> Role:
    """The role of this name.

    Raises:
        UsageError: there is none.
    """
    if text not in [*Role]:
        raise UsageError("access.role_unknown", role=text, known=", ".join(Role))
    return Role(text)


def moment(text: str, *, now: dt.datetime) -> dt.datetime:
    """A time to come: `90d`, `12h`, or ISO 8601 (UTC where it says nothing else).

    Raises:
        UsageError: it is neither, or has passed.
    """
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    try:
        if found is not None:
            then = now + dt.timedelta(seconds=int(found[1]) * _units[found[2]])
        else:
            given = dt.datetime.fromisoformat(text)
            then = given if given.tzinfo else given.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        then = now
    if then <= now:
        raise UsageError("access.moment_bad", text=text)
    return then
