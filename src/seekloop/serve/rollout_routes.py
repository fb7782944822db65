"""`/v1/rollouts`: begin, look at, step, abort and explain rollouts. An operator's business."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from seekloop.serve.gateway import Gateway
from seekloop.serve.rollout.desk import Desk
from seekloop.serve.rollout.spec import RolloutSpec
from seekloop.serve.rollout.state import Rollout

__all__ = ["rollout_routes"]

_Reason = Annotated[str, Field(min_length=1, max_length=2000)]


class _Begin(BaseModel):
    """Body of `POST /v1/rollouts`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    rules: dict[str, Any]
    """The rollout, as its YAML file has it."""
    reason: _Reason


class _Why(BaseModel):
    """Body of a step or an abort."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    reason: _Reason


def rollout_routes(gateway: Gateway) -> APIRouter:
    """The routes over rollouts of the gateway's alias."""
    router = APIRouter(prefix="/v1")
    desk, alias = gateway.pool.rollouts.desk, gateway.options.alias

    @router.get("/rollouts")
    async def rollouts() -> dict[str, Any]:
        """Every rollout, oldest first; which one is in effect here, and why not if it is not."""
        known = await asyncio.to_thread(desk.read)
        live = gateway.pool.rollouts.in_effect
        return {
            "in_effect": live.rollout.id if live else None,
            "problem": gateway.pool.rollouts.problem,
            "shadows_left_out": gateway.shadows.left_out,
            "data": [one.as_json() for one in known.known.values() if one.alias == alias],
        }

    @router.post("/rollouts", status_code=201)
    async def begin(request: Request, body: _Begin) -> dict[str, Any]:
        """Begin one; its rules are in the ledger before the first request goes to it."""
        spec, actor = RolloutSpec.parse(body.rules), request.state.caller.name
        begun = await asyncio.to_thread(desk.start, spec, alias=alias, actor=actor, reason=body.reason)
        return begun.as_json()

    @router.get("/rollouts/{identity}")
    async def rollout(identity: str) -> dict[str, Any]:
        """One of them, with what its rules say now and every decision made again."""
        return await asyncio.to_thread(_told, desk, identity, alias=alias)

    @router.post("/rollouts/{identity}/step")
    async def step(*, request: Request, identity: str, body: _Why) -> dict[str, Any]:
        """Give the candidate its next share, or everything."""
        found = await asyncio.to_thread(desk.find, identity, alias=alias)
        stepped = await asyncio.to_thread(desk.step, found, actor=request.state.caller.name, reason=body.reason)
        return stepped.as_json()

    @router.post("/rollouts/{identity}/abort")
    async def abort(*, request: Request, identity: str, body: _Why) -> dict[str, Any]:
        """End it; the release in production answers everybody."""
        found = await asyncio.to_thread(desk.find, identity, alias=alias)
        ended = await asyncio.to_thread(desk.abort, found, actor=request.state.caller.name, reason=body.reason)
        return ended.as_json()

    return router


def _told(desk: Desk, identity: str, *, alias: str) -> dict[str, Any]:
    found = desk.find(identity, alias=alias)
    decisions = [dataclasses.asdict(one) for one in desk.explain(found)]
    return {**found.as_json(), "now": _now(desk, found), "decisions": decisions}


def _now(desk: Desk, rollout: Rollout) -> dict[str, Any] | None:
    """What the rules say of one that is under way."""
    if not rollout.running:
        return None
    judged = desk.now(rollout)
    return {**judged.facts(), "sentences": judged.verdict.sentences()}
