"""`POST /v1/completions`: raw prompts, with the log-probabilities of what was read and said where they are wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from seekloop.serve.caller import Caller
from seekloop.serve.gateway import Gateway
from seekloop.serve.gone import CLIENT_GONE, unless_gone
from seekloop.serve.protocol import CompletionRequest
from seekloop.serve.rendering import EventStream, identity
from seekloop.serve.reply import Reply
from seekloop.serve.scored import text_completion, text_events

__all__ = ["completion_routes"]


def completion_routes(gateway: Gateway) -> APIRouter:
    """The route of raw completions."""
    router = APIRouter(prefix="/v1")

    @router.post("/completions")
    async def complete(request: Request, body: CompletionRequest) -> Response:
        """Go on from one or more prompts, whole or as server-sent events; each is an answer of its own."""
        replies = await unless_gone(request, _replies(gateway, body, caller=request.state.caller))
        if replies is None:
            return Response(status_code=CLIENT_GONE)
        if body.stream:
            usage = body.stream_options is not None and body.stream_options.include_usage
            return EventStream(replies[0], text_events(replies[0], model=body.model, include_usage=usage))
        if await unless_gone(request, _all(replies)) is None:
            return Response(status_code=CLIENT_GONE)
        return JSONResponse(text_completion(replies, asked=body), headers=identity(replies[0]))

    return router


async def _replies(gateway: Gateway, body: CompletionRequest, *, caller: Caller) -> list[Reply]:
    replies: list[Reply] = []
    try:
        for prompt in body.prompts:
            replies.append(await gateway.complete(body, prompt, caller=caller))
    except BaseException:
        for reply in replies:
            reply.cancel()
        raise
    return replies


async def _all(replies: Sequence[Reply]) -> Sequence[Reply]:
    try:
        await asyncio.gather(*(reply.whole() for reply in replies))
    except BaseException:
        for reply in replies:
            reply.cancel()
        raise
    return replies
