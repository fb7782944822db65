"""`/v1/keys`: what one's own key may and has left; for admins, every key, and revoking one."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from seekloop.artifact.journal import stamp
from seekloop.artifact.ledger import Ledger
from seekloop.serve.access.budgets import Budgets
from seekloop.serve.access.issue import described
from seekloop.serve.caller import Caller
from seekloop.serve.limits import MICRO
from seekloop.system.clock import Clock

__all__ = ["Revocation", "key_routes"]


class Revocation(BaseModel):
    """Body of `POST /v1/keys/{name}/revoke`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    reason: str = Field(min_length=1, max_length=1000)


def key_routes(ledger: Ledger, *, budgets: Budgets, clock: Clock) -> APIRouter:
    """The routes of keys."""
    router = APIRouter(prefix="/v1")

    @router.get("/keys/self")
    async def own(request: Request) -> dict[str, Any]:
        """Who the gateway takes you for, what you may, and what is left of your budgets."""
        caller: Caller = request.state.caller
        left = {window.name: _amount(window.name, window.left) for window in await budgets.windows(caller)}
        return {
            "name": caller.name,
            "tenant": caller.tenant,
            "role": caller.role,
            "tier": caller.tier,
            "limits": caller.limits.words,
            "left": left,
        }

    @router.get("/keys")
    async def every() -> dict[str, Any]:
        """Every key that ever was, oldest first."""
        now = stamp(clock.now())
        found = await asyncio.to_thread(ledger.credentials.all)
        return {"object": "list", "data": [described(credential, at=now) for credential in found]}

    @router.post("/keys/{name}/revoke")
    async def revoke(request: Request, name: str, *, body: Revocation) -> dict[str, Any]:
        """Refuse a key, named by its name or id, from now on; every gateway process knows within a second."""
        credential = await asyncio.to_thread(ledger.credentials.find, name)
        actor = request.state.caller.name
        await asyncio.to_thread(ledger.credentials.revoke, credential.id, actor=actor, reason=body.reason)
        found = await asyncio.to_thread(ledger.credentials.find, credential.id)
        return described(found, at=stamp(clock.now()))

    return router


def _amount(name: str, value: int) -> float:
    return value / MICRO if name.startswith("cost") else value
