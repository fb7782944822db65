"""The application: routes, each a few lines over the gateway, behind the door."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from seekloop import __version__
from seekloop.serve.chat import chat_routes
from seekloop.serve.completions import completion_routes
from seekloop.serve.door import Door
from seekloop.serve.gateway import Gateway
from seekloop.serve.problems import Problem, of_error, of_http, of_validation
from seekloop.serve.records import record_routes
from seekloop.system.errors import SeekloopError

__all__ = ["build_app"]


def build_app(gateway: Gateway) -> FastAPI:
    """The ASGI application over `gateway`, which it starts and closes with itself."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await gateway.start()
        yield
        await gateway.close()

    app = FastAPI(title="seekloop", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Door, keyring=gateway.keyring, max_body=gateway.options.max_body_kib * 1024)
    app.include_router(chat_routes(gateway))
    app.include_router(completion_routes(gateway))
    app.include_router(record_routes(gateway))
    _health_routes(app, gateway)
    _error_shapes(app)
    return app


def _health_routes(app: FastAPI, gateway: Gateway) -> None:
    @app.get("/livez")
    async def livez() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """A request would be answered now."""
        state = {"ready": gateway.ready, "problem": gateway.pool.problem}
        return JSONResponse(state, status_code=200 if gateway.ready else 503)


def _error_shapes(app: FastAPI) -> None:
    @app.exception_handler(SeekloopError)
    async def known(_: Request, error: SeekloopError) -> Response:
        return of_error(error).response

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return of_validation(error).response

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        return of_http(error).response

    @app.exception_handler(Exception)
    async def defect(_: Request, __: Exception) -> Response:
        return Problem(status=500, message="the gateway has a defect; its log says where", code="defect").response
