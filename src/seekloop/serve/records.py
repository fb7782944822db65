"""What is kept beside the answers: feedback on them, where they came from, and which release was served when."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from fastapi import APIRouter, Request

from seekloop.artifact import lineage
from seekloop.artifact.ledger import Feedback
from seekloop.serve.gateway import Gateway
from seekloop.serve.protocol import FeedbackRequest
from seekloop.serve.worker import Worker
from seekloop.system import digests

__all__ = ["record_routes"]


def record_routes(gateway: Gateway) -> APIRouter:
    """The routes over the ledger."""
    router = APIRouter(prefix="/v1")

    @router.post("/feedback")
    async def feedback(request: Request, body: FeedbackRequest) -> dict[str, Any]:
        """Record what somebody thought of an answer; the same id again changes nothing."""
        given = _feedback(body, caller=request.state.caller.name, at=gateway.clock.now().isoformat())
        recorded = await asyncio.to_thread(gateway.ledger.record_feedback, given)
        return {"id": given.id, "answer": given.answer, "recorded": recorded}

    @router.get("/answers/{identity}/lineage")
    async def trace(identity: str) -> dict[str, Any]:
        """Every hop from an answer down to base, rows, spec, code version and seed."""
        found = await asyncio.to_thread(lineage.trace, identity, store=gateway.store, ledger=gateway.ledger)
        return found.as_json()

    @router.get("/releases")
    async def releases() -> dict[str, Any]:
        """What is served, what is kept warm, and every move of the alias, oldest first."""
        name = gateway.options.alias
        history = await asyncio.to_thread(gateway.ledger.alias_history, name)
        pool = gateway.pool
        return {
            "alias": name,
            "version": pool.alias.version if pool.alias else None,
            "serving": _worker(pool.serving),
            "previous": _worker(pool.previous),
            "problem": pool.problem,
            "history": [dataclasses.asdict(move) for move in history],
        }

    return router


def _feedback(body: FeedbackRequest, *, caller: str, at: str) -> Feedback:
    said = body.model_dump(exclude={"id"})
    made = digests.of_json({"caller": caller, **said}).removeprefix("sha256:")[:32]
    return Feedback(id=body.id or f"fb_{made}", at=at, caller=caller, **said)


def _worker(worker: Worker | None) -> dict[str, Any] | None:
    if worker is None:
        return None
    return {
        "release": worker.release.id,
        "checkpoint": worker.release.checkpoint,
        "engine": worker.engine,
        "alive": worker.alive,
        "in_flight": worker.in_use,
    }
