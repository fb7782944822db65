"""`POST /v1/completions`: raw prompts, with the log-probabilities of what was read and said where they are wanted."""

from __future__ import annotations

import functools

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from seekloop.serve.gateway import Gateway
from seekloop.serve.gone import CLIENT_GONE, unless_gone
from seekloop.serve.hot import HotRoute
from seekloop.serve.manner import manner_of
from seekloop.serve.protocol import CompletionRequest
from seekloop.serve.rendering import EventStream, identity
from seekloop.serve.replies import each_of
from seekloop.serve.scored import text_completion, text_events

__all__ = ["completion_routes"]


def completion_routes(gateway: Gateway) -> APIRouter:
    """The route of raw completions."""
    router = APIRouter(prefix="/v1", route_class=HotRoute)

    @router.post("/completions")
    async def complete(request: Request, body: CompletionRequest) -> Response:
        """Go on from one or more prompts, whole or as server-sent events; each is an answer of its own."""
        caller, manner = request.state.caller, manner_of(request)
        asked = [
            functools.partial(gateway.complete, one, prompt, caller=caller, manner=manner)
            for prompt in body.prompts
            for one in body.several
        ]
        replies = await unless_gone(request, each_of(asked, whole=not body.stream))
        if replies is None:
            return Response(status_code=CLIENT_GONE)
        if body.stream:
            return EventStream(replies, text_events(replies, asked=body))
        return JSONResponse(text_completion(replies, asked=body), headers=identity(replies[0]))

    return router
