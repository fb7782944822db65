"""The way in for what is asked most: no framework on the way, and a body that is read once, by compiled code."""

from __future__ import annotations

import json
import logging
import typing
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NoReturn

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from seekloop.serve.heads import heads_of
from seekloop.serve.problems import DEFECT, language_of, of_error, of_http, of_invalid
from seekloop.system.errors import SeekloopError

__all__ = ["HotRoute", "Shortcut", "read"]

_logger = logging.getLogger("seekloop.serve")
_no_json = (b"NaN", b"Infinity")


class HotRoute(APIRoute):
    """A route of `async def endpoint(request: Request, body: MODEL) -> Response` without what FastAPI does in between;
    one without a body is as any other.

    Its description in OpenAPI is made from the signature, as any other's.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint, with its body read."""
        endpoint: Callable[[Request, BaseModel], Awaitable[Response]] = self.endpoint
        model: type[BaseModel] | None = typing.get_type_hints(endpoint).get("body")
        if model is None:
            return super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                body = read(model, await _whole(request.receive))
            except ValidationError as error:
                return of_invalid(error).response
            return await endpoint(request, body)

        return handle


class Shortcut:
    """ASGI middleware, the innermost: takes a POST to a hot route straight to its endpoint.

    Args:
        app: for every other request.
        routes: of which those are taken that are hot.
    """

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        hot = [route for route in routes if isinstance(route, HotRoute) and "POST" in (route.methods or ())]
        self._hot = {route.path: (route, route.get_route_handler()) for route in hot}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        found = self._hot.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["route"], handle = found  # as the router does, for those who count
        try:
            response = await handle(Request(scope, receive))
        except SeekloopError as error:
            response = of_error(error, language=language_of(heads_of(scope).get("accept-language", ""))).response
        except HTTPException as error:
            response = of_http(error).response
        except Exception:
            _logger.exception("a defect, at %s", scope["path"])
            response = DEFECT.response
        await response(scope, receive, send)


async def _whole(receive: Receive) -> bytes:
    """The body of a request.

    Raises:
        ClientDisconnect: the client left before its end.
    """
    pieces, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def read(model: type[BaseModel], data: bytes) -> BaseModel:
    """A model out of JSON.

    Raises:
        ValidationError: it is no JSON, or no such model.
    """
    # pydantic's parser takes numbers that JSON has not; they may also be words of a text, so a look is not enough.
    if any(word in data for word in _no_json):
        try:
            json.loads(data, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise ValidationError.from_exception_data(
                model.__name__, [{"type": "json_invalid", "loc": (), "input": "", "ctx": {"error": str(error)}}]
            ) from error
    return model.model_validate_json(data)


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
