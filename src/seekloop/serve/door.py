"""The one way in: every route but `/livez` needs a key, whether the route exists or not, and bodies have a limit."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seekloop.serve.keys import Keyring
from seekloop.serve.problems import Problem, of_http
from seekloop.system.errors import UsageError

__all__ = ["OPEN", "Door"]

OPEN = frozenset({"/livez"})
"""Paths that anybody may ask."""


class Door:
    """ASGI middleware around the whole application.

    Args:
        app: what is behind the door.
        keyring: who may pass.
        max_body: bytes of a request body.
    """

    def __init__(self, app: ASGIApp, *, keyring: Keyring, max_body: int) -> None:
        self._app = app
        self._keyring = keyring
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through with its `Caller` in `request.state.caller`, or refuse it."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] in OPEN):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        caller = self._keyring.caller(headers.get("authorization", ""))
        if caller is None:
            await _no_key().response(scope, receive, send)
            return
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_body:
            await of_http(self._too_large()).response(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, self._limited(receive), send)

    def _limited(self, receive: Receive) -> Receive:
        """`receive` that stops a body without a truthful length."""
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_body:
                raise self._too_large()
            return message

        return limited

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"the request body is larger than {self._max_body} bytes")


def _no_key() -> Problem:
    error = UsageError("serve.no_key")
    return Problem(
        status=401,
        message=f"{error.sentence()}; {error.hint()}",
        code="invalid_api_key",
        headers={"WWW-Authenticate": "Bearer"},
    )
