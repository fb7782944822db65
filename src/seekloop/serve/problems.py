"""What a client is told when it gets no answer: OpenAI's error shape, with a status that says whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from seekloop.system.errors import EngineError, LedgerError, SeekloopError

__all__ = ["Problem", "of_error", "of_http", "of_validation"]

_RETRY = {"Retry-After": "1"}
_status = {
    "runtime.no_likelihoods": 400,
    "serve.unknown_model": 404,
    "artifact.not_found": 404,
    "artifact.no_answer": 404,
    "artifact.erased": 410,
    "serve.queue_full": 429,
    "serve.queue_slow": 429,
    "serve.closing": 503,
    "serve.nothing_served": 503,
}
_openai_code = {
    "serve.no_key": "invalid_api_key",
    "serve.unknown_model": "model_not_found",
    "serve.context_overflow": "context_length_exceeded",
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An error on its way out."""

    status: int
    message: str
    code: str | None = None
    """OpenAI's word for it where there is one; else our own."""
    param: str | None = None
    """The field of the request that is wrong."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """`{"error": {"message", "type", "param", "code"}}`."""
        kind = {429: "rate_limit_error"}.get(
            self.status, "server_error" if self.status >= 500 else "invalid_request_error"
        )
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    @property
    def response(self) -> JSONResponse:
        """The whole HTTP response."""
        return JSONResponse(self.body, status_code=self.status, headers=dict(self.headers))


def of_error(error: SeekloopError) -> Problem:
    """A problem that we have words for. What the caller did is 4xx; what happened to us is 502 or 503."""
    default = 502 if isinstance(error, EngineError) else 503 if isinstance(error, LedgerError) else 400
    status = _status.get(error.code, default)
    hint = error.hint()
    return Problem(
        status=status,
        message=f"{error.sentence()}; {hint}" if hint else error.sentence(),
        code=_openai_code.get(error.code, error.code),
        headers=_RETRY if status in (429, 502, 503) else {},
    )


def of_validation(error: RequestValidationError) -> Problem:
    """A body that is not what the API takes; the first thing wrong with it is named."""
    first = error.errors()[0]
    # A field that may be text or parts is tried as both, and pydantic names each try in the path.
    path = [str(part) for part in first["loc"][1:] if str(part).isidentifier() or str(part).isdigit()]
    where = ".".join(path) or None
    message = str(first["msg"]).removeprefix("Value error, ")
    return Problem(status=400, message=f"{where}: {message}" if where else message, code="invalid_value", param=where)


def of_http(error: HTTPException) -> Problem:
    """No such route, wrong method, body too large."""
    return Problem(status=error.status_code, message=str(error.detail), headers=error.headers or {})
