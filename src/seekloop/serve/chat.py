"""`POST /v1/chat/completions` and the models that it answers as."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from seekloop.serve.gateway import Gateway
from seekloop.serve.gone import CLIENT_GONE, unless_gone
from seekloop.serve.protocol import ChatRequest
from seekloop.serve.rendering import EventStream, completion, events, identity
from seekloop.serve.reply import Reply
from seekloop.system.errors import UsageError

__all__ = ["chat_routes"]


def chat_routes(gateway: Gateway) -> APIRouter:
    """The routes that OpenAI's clients use."""
    router = APIRouter(prefix="/v1")

    @router.post("/chat/completions")
    async def chat(request: Request, body: ChatRequest) -> Response:
        """Answer a conversation, whole or as server-sent events."""
        reply = await unless_gone(request, gateway.ask(body, caller=request.state.caller))
        if reply is None:
            return Response(status_code=CLIENT_GONE)
        if body.stream:
            usage = body.stream_options is not None and body.stream_options.include_usage
            return EventStream(reply, events(reply, model=body.model, include_usage=usage))
        if await unless_gone(request, _whole(reply)) is None:
            return Response(status_code=CLIENT_GONE)
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


def _names(gateway: Gateway) -> list[str]:
    serving = gateway.pool.serving
    return [gateway.options.alias, *([serving.release.id] if serving else [])]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "seekloop"}
