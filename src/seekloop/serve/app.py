"""The application: routes, each a few lines over the gateway, behind the door."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from seekloop import __version__
from seekloop.serve.access.key_routes import key_routes
from seekloop.serve.approval_routes import approval_routes
from seekloop.serve.chat import chat_routes
from seekloop.serve.completions import completion_routes
from seekloop.serve.door import Door
from seekloop.serve.embeddings import embedding_routes
from seekloop.serve.feedback.routes import feedback_routes
from seekloop.serve.gateway import Gateway
from seekloop.serve.hot import Shortcut
from seekloop.serve.metrics_routes import figures_of, metrics_routes
from seekloop.serve.openapi import Api
from seekloop.serve.problems import DEFECT, language_of, of_error, of_http, of_validation
from seekloop.serve.records import record_routes
from seekloop.serve.rollout_routes import rollout_routes
from seekloop.serve.safety_routes import safety_routes
from seekloop.serve.telemetry.watch import Watch
from seekloop.system.errors import SeekloopError

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

__all__ = ["build_app"]

_no_telemetry: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""The framework's, which looks at every request whether there is any; spans and figures are our own (`telemetry/`)."""


def build_app(gateway: Gateway) -> FastAPI:
    """The ASGI application over `gateway`, which it starts and closes with itself."""

    figures = figures_of(gateway)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await gateway.start()
        async with figures.leaving():
            yield
        await gateway.close()

    app = Api(
        title="seekloop", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, telemetry=_no_telemetry
    )
    asked = (chat_routes(gateway), completion_routes(gateway))
    app.add_middleware(Shortcut, routes=[route for router in asked for route in router.routes])
    app.add_middleware(
        Door, keyring=gateway.keyring, budgets=gateway.budgets, max_body=gateway.options.access.max_body_kib * 1024
    )
    app.add_middleware(Watch, meters=gateway.meters, spans=gateway.spans, routes=app.routes)
    for router in (*asked, embedding_routes(gateway)):
        app.include_router(router)
    app.include_router(record_routes(gateway))
    app.include_router(feedback_routes(gateway))
    app.include_router(metrics_routes(figures, alias=gateway.options.alias))
    app.include_router(rollout_routes(gateway))
    app.include_router(approval_routes(gateway.ledger, clock=gateway.clock))
    app.include_router(safety_routes(gateway))
    app.include_router(key_routes(gateway.ledger, budgets=gateway.budgets, clock=gateway.clock))
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
        """A request would be answered now; `/v1/releases` says what is wrong where it would not."""
        return JSONResponse({"ready": gateway.ready}, status_code=200 if gateway.ready else 503)


def _error_shapes(app: FastAPI) -> None:
    @app.exception_handler(SeekloopError)
    async def known(request: Request, error: SeekloopError) -> Response:
        return of_error(error, language=language_of(request.headers.get("accept-language", ""))).response

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return of_validation(error).response

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        return of_http(error).response

    @app.exception_handler(Exception)
    async def defect(_: Request, __: Exception) -> Response:
        return DEFECT.response
