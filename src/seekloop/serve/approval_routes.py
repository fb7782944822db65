"""`/v1/approvals`: which candidates wait for a person, and what a person says of one. The name is the caller's."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from seekloop.artifact import approvals
from seekloop.artifact.approvals import Opinion, Waiting
from seekloop.artifact.ledger import Event, Ledger
from seekloop.system.clock import Clock

__all__ = ["approval_routes"]


class _Said(BaseModel):
    """Body of `POST /v1/approvals/{candidate}`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    decision: Literal["approve", "decline"]
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


def approval_routes(ledger: Ledger, *, clock: Clock) -> APIRouter:
    """The routes over candidates that the gate let through.

    Args:
        ledger: where verdicts and answers stand.
        clock: tells what comes too late.
    """
    router = APIRouter(prefix="/v1")

    @router.get("/approvals")
    async def awaited() -> dict[str, Any]:
        """Every candidate that waits for a person, the first judged first."""
        found = await asyncio.to_thread(approvals.waiting, ledger=ledger, now=clock.now())
        return {"object": "list", "data": [_awaited(one) for one in found]}

    @router.post("/approvals/{candidate}")
    async def say(*, request: Request, candidate: str, body: _Said) -> dict[str, Any]:
        """Approve or decline one, by its id or an unmistakable beginning; said again, it is nothing new."""
        opinion = Opinion(
            agrees=body.decision == "approve",
            by=request.state.caller.name,
            reason=body.reason,
            through="gateway",
        )
        return _told(await asyncio.to_thread(_answered, candidate, opinion, ledger=ledger, clock=clock))

    return router


def _answered(candidate: str, opinion: Opinion, *, ledger: Ledger, clock: Clock) -> Event:
    identity = approvals.find(candidate, ledger=ledger)
    return approvals.answer(identity, opinion, ledger=ledger, now=clock.now())


def _awaited(one: Waiting) -> dict[str, Any]:
    return {
        "candidate": one.candidate,
        "verdict": one.verdict.seq,
        "judged_at": one.verdict.at,
        "until": one.until.isoformat(),
        "started_by": one.starter,
        "two_persons": one.two_persons,
        "rule_digest": one.verdict.facts["rule_digest"],
        "outcomes": one.verdict.facts.get("outcomes", []),
    }


def _told(event: Event) -> dict[str, Any]:
    return {
        "candidate": event.subject,
        "decision": event.kind.removeprefix("gate."),
        "by": event.actor,
        "at": event.at,
        "reason": event.facts["reason"],
        "seq": event.seq,
    }
