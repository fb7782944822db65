"""`POST /v1/feedback`, `/v1/ratings`, `/v1/feedback/batch` and `/v1/consent`."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from fastapi import APIRouter, Request

from seekloop.artifact.consents import state
from seekloop.artifact.payloads import subject_name
from seekloop.serve.caller import Caller
from seekloop.serve.feedback.requests import ConsentRequest, FeedbackRequest, RatingRequest
from seekloop.serve.feedback.taking import check_own, feedback_of, take
from seekloop.serve.gateway import Gateway
from seekloop.serve.problems import language_of

__all__ = ["feedback_routes"]

_jsonl = {"requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": {"type": "string"}}}}}


def feedback_routes(gateway: Gateway) -> APIRouter:
    """The routes over what people say."""
    router = APIRouter(prefix="/v1")
    ledger = gateway.ledger

    @router.post("/feedback")
    async def feedback(request: Request, body: FeedbackRequest) -> dict[str, Any]:
        """Record what somebody thought of an answer; the same id again changes nothing."""
        caller: Caller = request.state.caller
        await asyncio.to_thread(check_own, ledger, body.answer, caller=caller)
        given = feedback_of(body, caller=caller.name, at=gateway.clock.now().isoformat())
        recorded = await asyncio.to_thread(ledger.record_feedback, given)
        return {"id": given.id, "answer": given.answer, "recorded": recorded}

    @router.post("/ratings")
    async def ratings(request: Request, body: RatingRequest) -> dict[str, Any]:
        """Record how good an answer was, 1 to 5 by dimension: feedback, which must hold ratings."""
        return await feedback(request, body)

    @router.post("/feedback/batch", openapi_extra=_jsonl)
    async def batch(request: Request) -> dict[str, Any]:
        """Record one piece of feedback a line; lines that cannot be recorded are named and the others are."""
        data = await request.body()
        lines = [(number, line) for number, line in enumerate(data.split(b"\n"), start=1) if line.strip()]
        taken = await asyncio.to_thread(
            take,
            lines,
            ledger=ledger,
            caller=request.state.caller,
            at=gateway.clock.now().isoformat(),
            language=language_of(request.headers.get("accept-language", "")),
        )
        return dataclasses.asdict(taken)

    @router.post("/consent")
    async def consent(request: Request, body: ConsentRequest) -> dict[str, Any]:
        """Say whether it may be learnt from an answer, from a user's answers, or from all of the caller's."""
        caller: Caller = request.state.caller
        if body.answer is not None:
            await asyncio.to_thread(check_own, ledger, body.answer, caller=caller)
        about = body.answer or subject_name(caller.tenant, caller.name, *([body.user] if body.user else []))
        await asyncio.to_thread(state, ledger, about, allowed=body.consent, actor=caller.name, reason=body.reason)
        return {"about": about, "consent": body.consent}

    return router
