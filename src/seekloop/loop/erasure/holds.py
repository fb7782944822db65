"""Legal holds: what must not be erased, by nobody and by no age, until somebody lifts the hold."""

from __future__ import annotations

from collections.abc import Collection

from seekloop.artifact.context import RunContext
from seekloop.artifact.holders import Held
from seekloop.loop.erasure.target import Target, resolve
from seekloop.system.errors import UsageError

__all__ = ["LIFTED", "PLACED", "held", "held_together", "holds_of", "lift", "place"]

PLACED, LIFTED = "hold.placed", "hold.lifted"


def place(target: Target, *, reason: str, ctx: RunContext) -> tuple[str, ...]:
    """Put a hold on a person or on answers; returns what it is known by: pseudonyms and ids of answers.

    Raises:
        UsageError: nothing is asked for, or users of several tenants have this id.
    """
    names = _names(target, ctx=ctx)
    standing = _standing(ctx)
    for name in names:
        if name not in standing:
            ctx.ledger.note(PLACED, name, facts={"reason": reason}, actor=ctx.actor)
    return names


def lift(target: Target, *, reason: str, ctx: RunContext) -> tuple[str, ...]:
    """Take holds away; returns which these were.

    Raises:
        UsageError: there is no such hold, or as for `place`.
    """
    standing = _standing(ctx)
    names = tuple(name for name in _names(target, ctx=ctx) if name in standing)
    if not names:
        raise UsageError("erasure.no_hold")
    for name in names:
        ctx.ledger.note(LIFTED, name, facts={"reason": reason}, actor=ctx.actor)
    return names


def held(ctx: RunContext) -> Held:
    """The answers that a hold is on."""
    standing = _standing(ctx)
    scopes = {name for name in standing if name.startswith("subject:")}
    if not standing:
        return Held()
    return ctx.ledger.holders.held(scopes, answers=standing - scopes)


def holds_of(scopes: Collection[str], answers: Collection[str], *, ctx: RunContext) -> tuple[str, ...]:
    """Holds on subjects, or on any of these answers."""
    standing = _standing(ctx)
    if not standing:
        return ()
    by_answer = {name for name in standing if name in answers}
    by_key = {name for name in standing if name.startswith("subject:") and held_together(name, scopes, ctx=ctx)}
    return tuple(sorted(by_answer | by_key | (standing & set(scopes))))


def held_together(name: str, scopes: Collection[str], *, ctx: RunContext) -> bool:
    """Whether a held subject and others have a key in common: one is within the other."""
    holders = ctx.ledger.holders
    return bool(holders.keys([name]) & holders.keys(scopes))


def _names(target: Target, *, ctx: RunContext) -> tuple[str, ...]:
    return tuple(sorted({*resolve(target, ctx=ctx).scopes, *target.answers}))


def _standing(ctx: RunContext) -> set[str]:
    standing: set[str] = set()
    for event in ctx.ledger.events(kind=(PLACED, LIFTED)):
        if event.kind == PLACED:
            standing.add(event.subject)
        else:
            standing.discard(event.subject)
    return standing
