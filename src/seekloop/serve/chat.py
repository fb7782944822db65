"""`POST /v1/chat/completions` and the models that it answers as."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from seekloop.serve.gateway import Gateway
from seekloop.serve.protocol import ChatRequest
from seekloop.serve.rendering import EventStream, completion, identity
from seekloop.serve.reply import Reply
from seekloop.system.errors import UsageError

__all__ = ["chat_routes"]

T = TypeVar("T")
_CLIENT_GONE = 499


def chat_routes(gateway: Gateway) -> APIRouter:
    """The routes that OpenAI's clients use."""
    router = APIRouter(prefix="/v1")

    @router.post("/chat/completions")
    async def chat(request: Request, body: ChatRequest) -> Response:
        """Answer a conversation, whole or as server-sent events."""
        reply = await _unless_gone(request, gateway.ask(body, caller=request.state.caller))
        if reply is None:
            return Response(status_code=_CLIENT_GONE)
        if body.stream:
            usage = body.stream_options is not None and body.stream_options.include_usage
            return EventStream(reply, model=body.model, include_usage=usage)
        if await _unless_gone(request, _whole(reply)) is None:
            return Response(status_code=_CLIENT_GONE)
        return JSONResponse(completion(reply, model=body.model), headers=identity(reply))

    @router.get("/models")
    async def models() -> dict[str, Any]:
        """The alias, and the release that it stands for."""
        return {"object": "list", "data": [_model(name) for name in _names(gateway)]}

    @router.get("/models/{name}")
    async def model(name: str) -> dict[str, Any]:
        """One of them."""
        names = _names(gateway)
        if name not in names:
            raise UsageError("serve.unknown_model", model=name, alias=gateway.options.alias, release=names[-1])
        return _model(name)

    return router


async def _whole(reply: Reply) -> Reply:
    await reply.whole()
    return reply


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` gives; None, with `work` cancelled, when the client closes the connection first."""
    working, gone = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return None
    finally:
        working.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _names(gateway: Gateway) -> list[str]:
    serving = gateway.pool.serving
    return [gateway.options.alias, *([serving.release.id] if serving else [])]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "seekloop"}
