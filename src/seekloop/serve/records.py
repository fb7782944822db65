"""What is kept beside the answers: where they came from, and which release was served when."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from seekloop.artifact import lineage
from seekloop.artifact.passport.envelope import MEDIA_TYPE
from seekloop.artifact.passport.making import Passports
from seekloop.serve.gateway import Gateway
from seekloop.serve.rollout.releases import history as release_history
from seekloop.serve.worker import Worker

__all__ = ["OPENING", "record_routes"]

OPENING = "x-seekloop-passport-opening"
"""Header that opens a passport's commitments to the texts; told this once."""
_envelope: dict[int | str, dict[str, Any]] = {200: {"content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}}


def record_routes(gateway: Gateway) -> APIRouter:
    """The routes over the ledger."""
    router = APIRouter(prefix="/v1")

    passports = Passports(store=gateway.store, ledger=gateway.ledger, actor="gateway", clock=gateway.clock)

    @router.get("/answers/{identity}/lineage", response_model=None, responses=_envelope)
    async def trace(
        request: Request,
        identity: str,
        *,
        form: Annotated[Literal["lineage", "passport"], Query(alias="format")] = "lineage",
        rows: bool = False,
    ) -> dict[str, Any] | Response:
        """Every hop from an answer down to base, rows, spec, code version and seed; as a signed passport, if wanted."""
        if form == "passport" or MEDIA_TYPE in request.headers.get("accept", ""):
            made = await asyncio.to_thread(passports.make, identity, leaves=rows)
            told = {} if made.opening is None else {OPENING: made.opening}
            return Response(made.data, media_type=MEDIA_TYPE, headers={**told, "Cache-Control": "no-store"})
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
