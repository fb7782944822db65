"""The rating page's server: nothing without a rater's link, nothing of another rater, no body without a bound.

The page itself is one file of ours without a framework. Its script and its style are named by digest in the content
security policy, so whatever a model's answer holds, nothing else runs.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from seekloop.evaluate.human.desk import Desk
from seekloop.evaluate.human.study import Study
from seekloop.system.clock import Clock, SystemClock
from seekloop.system.errors import SeekloopError, UsageError

__all__ = ["BODY", "build", "denied", "link", "page", "read_body"]

BODY = 16_384
"""Bytes of a request's body at most."""
_shared = b"/* desk.css */\n"
"""Where a page wants the style that all of them have."""
Ask = Callable[[Desk, Request], Awaitable[Any]]


def link(url: str, token: str) -> str:
    """The address to send to a rater."""
    return f"{url}/r/{token}"


def build(study: Study, *, clock: Clock | None = None) -> Starlette:
    """The application over an open study."""
    desks = {rater: Desk(study, rater=rater, clock=clock or SystemClock()) for rater in study.spec.raters}
    text, headers = page("rating.html")

    def behind_link(ask: Ask) -> Callable[[Request], Awaitable[Response]]:
        @functools.wraps(ask)
        async def answer(request: Request) -> Response:
            rater = study.rater(request.path_params["token"])
            if rater is None:
                return denied(headers)
            try:
                value = await ask(desks[rater], request)
            except SeekloopError as error:
                status = 400 if isinstance(error, UsageError) else 503
                return JSONResponse({"error": error.sentence()}, status_code=status, headers=headers)
            if isinstance(value, Response):
                return value
            return JSONResponse(value, headers=headers)

        return answer

    async def shown(_: Desk, __: Request) -> Response:
        return Response(text, media_type="text/html", headers=headers)

    routes = [
        Route("/r/{token}", behind_link(shown), methods=["GET"]),
        Route("/r/{token}/state", behind_link(_state), methods=["GET"]),
        Route("/r/{token}/tasks/{place:int}", behind_link(_show), methods=["GET"]),
        Route("/r/{token}/tasks/{place:int}", behind_link(_take), methods=["POST"]),
        Route("/r/{token}/undo", behind_link(_undo), methods=["POST"]),
    ]

    async def elsewhere(_: Request, __: Exception) -> Response:
        return denied(headers)

    return Starlette(routes=routes, exception_handlers={404: elsewhere, 405: elsewhere})


async def _state(desk: Desk, _: Request) -> Any:
    return await run_in_threadpool(desk.state)


async def _show(desk: Desk, request: Request) -> Any:
    return await run_in_threadpool(desk.show, request.path_params["place"])


async def _take(desk: Desk, request: Request) -> Any:
    said = await read_body(request)
    if isinstance(said, Response):
        return said
    return await run_in_threadpool(desk.take, request.path_params["place"], said)


async def _undo(desk: Desk, _: Request) -> Any:
    return await run_in_threadpool(desk.undo)


async def read_body(request: Request, *, most: int = BODY) -> dict[str, Any] | Response:
    """The object in a request's body, which is read no further than its bound.

    Raises:
        UsageError: it is no JSON object.
    """
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > most:
            return PlainTextResponse("too large", status_code=413, headers={"Connection": "close"})
    try:
        value = json.loads(data)
    except ValueError as error:
        raise UsageError("human.bad_rating", problem="no JSON") from error
    if not isinstance(value, dict):
        raise UsageError("human.bad_rating", problem="no JSON object")
    return value


def denied(headers: dict[str, str]) -> Response:
    """What whoever has no valid link is told."""
    return PlainTextResponse("This link is not valid. 链接无效。", status_code=403, headers=headers)


def page(name: str) -> tuple[bytes, dict[str, str]]:
    """A page of ours with the style that all of them have, and the headers that everything of it is sent with."""
    web = resources.files("seekloop.app.web")
    text = web.joinpath(name).read_bytes().replace(_shared, web.joinpath("desk.css").read_bytes())
    allowed = {
        part: " ".join(_digest(block) for block in re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), text, re.DOTALL))
        for part, tag in (("script-src", b"script"), ("style-src", b"style"))
    }
    rules = [f"{part} {digests}" for part, digests in allowed.items()]
    policy = ["default-src 'none'", *rules, "connect-src 'self'", "img-src data:", "base-uri 'none'"]
    policy += ["form-action 'none'", "frame-ancestors 'none'"]
    return text, {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def _digest(block: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(block).digest()).decode()}'"
