"""Around every request: its status is counted, and its span begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seekloop.serve.telemetry.meters import Meters

if TYPE_CHECKING:
    from seekloop.serve.telemetry.spans import Spans

__all__ = ["QUIET", "Watch"]

QUIET = frozenset({"/livez", "/readyz", "/metrics"})
"""What machines ask all the time; no spans of these."""


class Watch:
    """ASGI middleware outside of all others.

    Args:
        app: what is watched.
        meters: count responses.
        spans: tell traces; None: nobody listens.
        routes: of the application.
    """

    def __init__(self, app: ASGIApp, *, meters: Meters, spans: Spans | None, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._fixed = {route.path for route in routes if isinstance(route, Route) and "{" not in route.path}
        self._meters = meters
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        status, refusal = 500, None
        if self._spans is not None and scope["path"] not in QUIET:
            state["span"] = self._spans.begin(Headers(scope=scope), scope=scope)

        async def watched(message: Message) -> None:
            nonlocal status, refusal
            if message["type"] == "http.response.start":
                status = message["status"]
                refusal = Headers(raw=message["headers"]).get("x-seekloop-error") if status >= 400 else None
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = self._route(scope)
            self._meters.responded(route, status, refusal=refusal)
            if "span" in state:
                state["span"].responded(route, status, refusal=refusal)

    def _route(self, scope: Scope) -> str:
        """The pattern that the path met; never a path that callers choose."""
        if scope["path"] in self._fixed:
            return str(scope["path"])
        route = scope.get("route")
        return "other" if route is None else str(route.path)
