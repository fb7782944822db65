"""`POST /v1/chat/completions` and the models that it answers as."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from seekloop.serve.answer_grammar import check_format
from seekloop.serve.gateway import Gateway
from seekloop.serve.gone import CLIENT_GONE, unless_gone
from seekloop.serve.hot import HotRoute
from seekloop.serve.manner import manner_of
from seekloop.serve.protocol import ChatRequest
from seekloop.serve.rendering import EventStream, completion, events, identity
from seekloop.serve.replies import each_of
from seekloop.system.errors import UsageError

__all__ = ["chat_routes"]


def chat_routes(gateway: Gateway) -> APIRouter:
    """The routes that OpenAI's clients use."""
    router = APIRouter(prefix="/v1", route_class=HotRoute)

    @router.post("/chat/completions")
    async def chat(request: Request, body: ChatRequest) -> Response:
        """Answer a conversation, whole or as server-sent events."""
        if body.shaped:
            await asyncio.to_thread(check_format, body)
        caller, manner = request.state.caller, manner_of(request)
        asked = [functools.partial(gateway.ask, one, caller=caller, manner=manner) for one in body.several]
        replies = await unless_gone(request, each_of(asked, whole=not body.stream))
        if replies is None:
            return Response(status_code=CLIENT_GONE)
        if body.stream:
            usage = body.stream_options is not None and body.stream_options.include_usage
            return EventStream(replies, events(replies, model=body.model, include_usage=usage))
        return JSONResponse(completion(replies, model=body.model), headers=identity(replies[0]))

    @router.get("/models")
    async def models() -> dict[str, Any]:
        """The alias, the release that it stands for, and those that are rolled out."""
        return {"object": "list", "data": [_model(name) for name in _names(gateway)]}

    @router.get("/models/{name}")
    async def model(name: str) -> dict[str, Any]:
        """One of them."""
        names = _names(gateway)
        if name not in names:
            served = ", ".join(names[1:]) or "-"
            raise UsageError("serve.unknown_model", model=name, alias=gateway.options.alias, release=served)
        return _model(name)

    return router


def _names(gateway: Gateway) -> list[str]:
    return [gateway.options.alias, *(worker.release.id for worker in gateway.pool.named)]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "seekloop"}
