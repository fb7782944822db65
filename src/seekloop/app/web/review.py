"""The review page's server: nothing without a reviewer's link, nothing of what others said, no body without a bound."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from seekloop.app.web.links import Links
from seekloop.app.web.rating import denied, page, read_body
from seekloop.learn.review.desk import Desk, Shown
from seekloop.system.errors import SeekloopError, UsageError

__all__ = ["build"]

Ask = Callable[[Desk, Request], Awaitable[Any]]
_body = 131_072
_fields = ("decision", "label", "correction", "reason")


def build(desks: Mapping[str, Desk], links: Links) -> Starlette:
    """The application over the desks of some reviewers, by name."""
    text, headers = page("review.html")

    def behind_link(ask: Ask) -> Callable[[Request], Awaitable[Response]]:
        @functools.wraps(ask)
        async def answer(request: Request) -> Response:
            name = links.whose(request.path_params["token"], desks)
            if name is None:
                return denied(headers)
            try:
                value = await ask(desks[name], request)
            except SeekloopError as error:
                gone = error.code in ("artifact.erased", "artifact.no_answer")
                status = 410 if gone else 400 if isinstance(error, UsageError) else 503
                return JSONResponse({"error": error.sentence()}, status_code=status, headers=headers)
            return value if isinstance(value, Response) else JSONResponse(value, headers=headers)

        return answer

    async def shown(_: Desk, __: Request) -> Response:
        return Response(text, media_type="text/html", headers=headers)

    async def elsewhere(_: Request, __: Exception) -> Response:
        return denied(headers)

    routes = [
        Route("/r/{token}", behind_link(shown), methods=["GET"]),
        Route("/r/{token}/state", behind_link(_state), methods=["GET"]),
        Route("/r/{token}/next", behind_link(_next), methods=["POST"]),
        Route("/r/{token}/cases/{answer}", behind_link(_show), methods=["GET"]),
        Route("/r/{token}/cases/{answer}", behind_link(_decide), methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={404: elsewhere, 405: elsewhere})


async def _state(desk: Desk, _: Request) -> Any:
    progress = await run_in_threadpool(desk.progress)
    decided = await run_in_threadpool(desk.decided)
    about = {"reviewer": desk.reviewer, "form": desk.form, "labels": list(desk.labels)}
    return {**about, **progress, "decided": decided}


async def _next(desk: Desk, _: Request) -> Any:
    shown = await run_in_threadpool(desk.next)
    return {**await run_in_threadpool(desk.progress), "case": None if shown is None else _case(shown)}


async def _show(desk: Desk, request: Request) -> Any:
    answer = request.path_params["answer"]
    # Only what this person may see: what waits for them, or what they decided.
    if answer not in {*await run_in_threadpool(desk.waiting), *await run_in_threadpool(desk.decided)}:
        raise UsageError("review.not_queued", answer=answer)
    return {"case": _case(await run_in_threadpool(desk.show, answer))}


async def _decide(desk: Desk, request: Request) -> Any:
    said = await read_body(request, most=_body)
    if isinstance(said, Response):
        return said
    answer = request.path_params["answer"]
    # As `_show`: whoever guesses an id learns nothing, and another's case is theirs until their time is over.
    if answer not in {*await run_in_threadpool(desk.waiting), *await run_in_threadpool(desk.decided)}:
        raise UsageError("review.not_queued", answer=answer)
    if not all(isinstance(value, str) for value in said.values()):
        raise UsageError("human.bad_rating", problem="a field is no text")
    if said.get("decision") == "doubt":
        asked = functools.partial(desk.doubt, answer, reason=said.get("reason", ""))
        return {"recorded": await run_in_threadpool(asked)}
    given = {name: said[name] for name in _fields if said.get(name)}
    decided = functools.partial(desk.decide, answer, **{"decision": "", **given})
    return {"recorded": await run_in_threadpool(decided)}


def _case(shown: Shown) -> dict[str, Any]:
    mine = shown.mine
    return {
        "answer": shown.answer,
        "turns": [dict(turn) for turn in shown.turns],
        "content": shown.content,
        "decision": None if mine is None else mine.decision,
        "label": None if mine is None else mine.label,
        "correction": shown.correction,
        "reason": "" if mine is None else mine.reason,
    }
