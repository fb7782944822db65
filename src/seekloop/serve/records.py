"""What is kept beside the answers: feedback on them, where they came from, and which release was served when."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from fastapi import APIRouter, Request

from seekloop.artifact import lineage
from seekloop.artifact.ledger import Feedback, Ledger
from seekloop.serve.caller import Caller, Role
from seekloop.serve.gateway import Gateway
from seekloop.serve.protocol import FeedbackRequest, RatingRequest
from seekloop.serve.rollout.releases import history as release_history
from seekloop.serve.worker import Worker
from seekloop.system import digests
from seekloop.system.errors import LedgerError

__all__ = ["record_routes"]


def record_routes(gateway: Gateway) -> APIRouter:
    """The routes over the ledger."""
    router = APIRouter(prefix="/v1")

    @router.post("/feedback")
    async def feedback(request: Request, body: FeedbackRequest) -> dict[str, Any]:
        """Record what somebody thought of an answer; the same id again changes nothing."""
        caller: Caller = request.state.caller
        if not caller.role.covers(Role.REVIEWER):
            await asyncio.to_thread(_check_own, gateway.ledger, body.answer, caller=caller)
        given = _feedback(body, caller=caller.name, at=gateway.clock.now().isoformat())
        recorded = await asyncio.to_thread(gateway.ledger.record_feedback, given)
        return {"id": given.id, "answer": given.answer, "recorded": recorded}

    @router.post("/ratings")
    async def ratings(request: Request, body: RatingRequest) -> dict[str, Any]:
        """Record how good an answer was, 1 to 5 by dimension: feedback, which must hold ratings."""
        return await feedback(request, body)

    @router.get("/answers/{identity}/lineage")
    async def trace(identity: str) -> dict[str, Any]:
        """Every hop from an answer down to base, rows, spec, code version and seed."""
        found = await asyncio.to_thread(lineage.trace, identity, store=gateway.store, ledger=gateway.ledger)
        return found.as_json()

    @router.get("/releases")
    async def releases() -> dict[str, Any]:
        """What is served, what is kept warm, every move of the alias, oldest first, and every release."""
        name, pool = gateway.options.alias, gateway.pool
        history = await asyncio.to_thread(gateway.ledger.alias_history, name)
        versions = await asyncio.to_thread(release_history, pool.rollouts.desk)
        return {
            "alias": name,
            "version": pool.alias.version if pool.alias else None,
            "serving": _worker(pool.serving),
            "previous": _worker(pool.previous),
            "candidates": [_worker(worker) for worker in pool.rollouts.workers],
            "problem": pool.problem,
            "history": [dataclasses.asdict(move) for move in history],
            "releases": versions,
        }

    return router


def _check_own(ledger: Ledger, answer: str, *, caller: Caller) -> None:
    """Others' answers are, to whoever may only judge their own, answers that are not there."""
    recorded = ledger.answered(answer)
    if recorded is None or recorded.actor != caller.name:
        raise LedgerError("artifact.no_answer", id=answer)


def _feedback(body: FeedbackRequest, *, caller: str, at: str) -> Feedback:
    said = body.model_dump(exclude={"id"} if body.ratings else {"id", "ratings"})
    made = digests.of_json({"caller": caller, **said}).removeprefix("sha256:")[:32]
    return Feedback(id=body.id or f"fb_{made}", at=at, caller=caller, **said)


def _worker(worker: Worker | None) -> dict[str, Any] | None:
    if worker is None:
        return None
    return {
        "release": worker.release.id,
        "checkpoint": worker.release.checkpoint,
        "engine": worker.engine,
        "sandbox": None if worker.containment is None else dataclasses.asdict(worker.containment),
        "alive": worker.alive,
        "in_flight": worker.in_use,
    }
