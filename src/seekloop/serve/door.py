"""The one way in: every route but `/livez` and `/readyz` needs a key whose role may ask it; what is not listed, is not.

Who has no key learns nothing of which routes there are. Bodies have a limit.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seekloop.serve.access.budgets import Budgets
from seekloop.serve.access.routes import OPEN, methods_of
from seekloop.serve.caller import Caller
from seekloop.serve.heads import heads_of
from seekloop.serve.keys import Keyring
from seekloop.serve.problems import of_error, of_http
from seekloop.system.errors import SeekloopError, UsageError

__all__ = ["Door"]


class Door:
    """ASGI middleware around the whole application.

    Args:
        app: what is behind the door.
        keyring: who may pass.
        budgets: what they may still use, which they are told with every answer.
        max_body: bytes of a request body.
    """

    def __init__(self, app: ASGIApp, *, keyring: Keyring, budgets: Budgets, max_body: int) -> None:
        self._app = app
        self._keyring = keyring
        self._budgets = budgets
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through with its `Caller` in `request.state.caller`, or refuse it."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] in OPEN):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        heads = heads_of(scope)
        try:
            given = heads.get("authorization", "")
            caller = self._keyring.known(given) or await self._keyring.identify(given)
            _check_route(scope, caller)
            length = heads.get("content-length", "0")
            if length.isdecimal() and int(length) > self._max_body:
                raise self._too_large()
        except SeekloopError as error:
            await of_error(error).response(scope, receive, send)
            return
        except HTTPException as error:
            await of_http(error).response(scope, receive, send)
            return
        scope["state"]["caller"] = caller
        await self._app(scope, self._limited(receive), self._telling(send, caller) if caller.limits.any else send)

    def _telling(self, send: Send, caller: Caller) -> Send:
        """`send` that says in the headers what is left of the caller's limits."""

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *self._budgets.headers(caller)]}
            await send(message)

        return telling

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


def _check_route(scope: Scope, caller: Caller) -> None:
    path, method = scope["path"], scope["method"]
    methods = methods_of(path)
    if not methods:
        raise HTTPException(404, f"there is no route {path}; GET /openapi.json lists what there is")
    needed = methods.get(method)
    if needed is None:
        allowed = ", ".join(methods)
        raise HTTPException(405, f"{path} takes {allowed}, not {method}", headers={"Allow": allowed})
    if not caller.role.covers(needed):
        raise UsageError(
            "access.forbidden", name=caller.name, role=caller.role, route=f"{method} {path}", needed=needed
        )
