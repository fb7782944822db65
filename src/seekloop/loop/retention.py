"""Retention: destroys what is older than the project says, in bulk, and writes down that it did."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from seekloop.artifact import lineage
from seekloop.artifact.context import RunContext
from seekloop.artifact.holders import Held
from seekloop.artifact.kinds import Traffic
from seekloop.loop.erasure import holds
from seekloop.loop.retention_spec import RetentionSpec

__all__ = ["APPLIED", "Due", "apply"]

APPLIED = "retention.applied"
_texts = {"answers": "answer.recorded", "feedback": "feedback.recorded", "shadows": "shadow.recorded"}


@dataclass(frozen=True, kw_only=True)
class Due:
    """What went, or is to go, of one kind."""

    kind: str
    """A field of `RetentionSpec`."""
    before: str
    """ISO 8601: what is older goes."""
    count: int
    """Texts; for traffic, artifacts."""
    keys: int = 0
    """Keys that no text is under any more."""


def apply(spec: RetentionSpec, *, ctx: RunContext, plan: bool = False) -> tuple[Due, ...]:
    """Destroy what is due; answers under a legal hold stay, with what was said of them.

    Args:
        spec: days by kind.
        ctx: the project.
        plan: only count.

    Returns:
        What went by kind, kinds without a limit left out. Again at the same moment is nothing new.

    Raises:
        LedgerError: an event was changed, or the keys of texts cannot be had.
    """
    held = holds.held(ctx)
    done = tuple(_texts_due(spec, held, ctx=ctx, plan=plan))
    if spec.traffic is not None:
        before = _before(spec.traffic, ctx)
        old = list(_old_traffic(before, held, ctx=ctx))
        for traffic in () if plan else old:
            _remove(traffic, ctx=ctx)
        done = (*done, Due(kind="traffic", before=before, count=len(old)))
    if not plan:
        facts = {"days": spec.model_dump(exclude_none=True), "held": len(held.answers)}
        facts["gone"] = {one.kind: [one.before, one.count, one.keys] for one in done}
        ctx.ledger.note(APPLIED, "retention", facts=facts, actor=ctx.actor)
    return done


def _texts_due(spec: RetentionSpec, held: Held, *, ctx: RunContext, plan: bool) -> Iterator[Due]:
    for name, kind in _texts.items():
        days = spec.model_dump()[name]
        if days is None:
            continue
        before = _before(days, ctx)
        if plan:
            yield Due(kind=name, before=before, count=ctx.ledger.expiring(kind, before=before, held=held))
            continue
        reason = f"{name} are kept for {days} days"
        count, keys = ctx.ledger.expire(kind, before=before, held=held, actor=ctx.actor, reason=reason)
        yield Due(kind=name, before=before, count=count, keys=keys)


def _before(days: int, ctx: RunContext) -> str:
    return (ctx.clock.now() - dt.timedelta(days=days)).isoformat()


def _old_traffic(before: str, held: Held, *, ctx: RunContext) -> Iterator[Traffic]:
    """Traffic artifacts that are to go: old, whole, and without an answer that a hold is on."""
    moment = dt.datetime.fromisoformat(before)
    for record in ctx.ledger.artifacts("traffic"):
        is_old = dt.datetime.fromisoformat(record.created_at) < moment
        if not is_old or lineage.shredded(record.id, ledger=ctx.ledger) or record.id not in ctx.store.list("traffic"):
            continue
        traffic = ctx.store.open(record.id, Traffic)
        text = ctx.store.path(traffic.id, "answers.jsonl").read_text("utf-8") if held.answers else ""
        if not any(answer in text for answer in held.answers):
            yield traffic


def _remove(traffic: Traffic, *, ctx: RunContext) -> None:
    facts = {"files": sorted(traffic.files), "by": None, "of": "retention", "count": traffic.answers}
    ctx.ledger.note(lineage.SHREDDED, traffic.id, facts=facts, actor=ctx.actor)
    ctx.store.shred(traffic.id, sorted(traffic.files))
