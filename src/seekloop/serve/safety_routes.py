"""`GET /v1/safety`: which policies are in force, and how often each kind of rule matched since the start."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from seekloop.serve.gateway import Gateway

__all__ = ["safety_routes"]


def safety_routes(gateway: Gateway) -> APIRouter:
    """The route over the gateway's screen."""
    router = APIRouter(prefix="/v1")

    @router.get("/safety")
    async def safety() -> dict[str, Any]:
        """Mode, policies, digest and counts."""
        return {"mode": "off"} if gateway.screen is None else gateway.screen.status()

    return router
