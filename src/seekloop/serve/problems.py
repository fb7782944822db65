"""What a client is told when it gets no answer: OpenAI's error shape, with a status that says whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from seekloop.system.errors import EngineError, LedgerError, SeekloopError

__all__ = ["DEFECT", "Problem", "language_of", "of_error", "of_http", "of_invalid", "of_validation"]

_RETRY = {"Retry-After": "1"}
_patience_s = 60
_status = {
    "runtime.no_likelihoods": 400,
    "serve.no_key": 401,
    "access.key_revoked": 401,
    "access.key_expired": 401,
    "access.key_replaced": 401,
    "access.token_refused": 401,
    "access.token_no_role": 403,
    "access.forbidden": 403,
    "access.rate": 429,
    "access.tokens_spent": 429,
    "access.cost_spent": 429,
    "access.no_such_key": 404,
    "access.not_in_use": 409,
    "access.busy": 503,
    "access.issuer_silent": 503,
    "grammar.cannot": 400,
    "grammar.lost": 400,
    "serve.unknown_model": 404,
    "artifact.not_found": 404,
    "artifact.no_answer": 404,
    "artifact.erased": 410,
    "artifact.feedback_differs": 409,
    "queueing.full": 429,
    "queueing.late": 429,
    "queueing.reading": 429,
    "queueing.shed": 503,
    "artifact.decided_since": 409,
    "artifact.alias_moved": 409,
    "rollout.unknown": 404,
    "rollout.over": 409,
    "rollout.running": 409,
    "gates.unknown_candidate": 404,
    "gates.nothing_to_approve": 409,
    "gates.no_approval_asked": 409,
    "gates.answered": 409,
    "gates.too_late": 409,
    "gates.same_person": 403,
    "guard.blocked": 403,
    "guard.budget": 429,
    "guard.throttled": 429,
    "serve.closing": 503,
    "upstream.busy": 503,
    "runtime.no_weights": 400,
    "serve.nothing_served": 503,
}
_openai_code = {
    "serve.no_key": "invalid_api_key",
    "access.key_revoked": "invalid_api_key",
    "access.key_expired": "invalid_api_key",
    "access.key_replaced": "invalid_api_key",
    "access.token_refused": "invalid_api_key",
    "access.token_no_role": "insufficient_permissions",
    "access.forbidden": "insufficient_permissions",
    "access.rate": "rate_limit_exceeded",
    "access.tokens_spent": "insufficient_quota",
    "access.cost_spent": "insufficient_quota",
    "serve.unknown_model": "model_not_found",
    "serve.context_overflow": "context_length_exceeded",
    "safety.blocked": "content_filter",
}

_param = {
    "serve.unknown_model": "model",
    "serve.context_overflow": "messages",
    "serve.unknown_id": "prompt",
    "serve.too_wide": "dimensions",
    "model.no_tools": "tools",
    "grammar.bad_schema": "response_format",
    "grammar.too_large": "response_format",
    "grammar.with_stop": "stop",
    "grammar.with_penalties": "presence_penalty",
    "grammar.no_tool": "tool_choice",
    "grammar.bad_name": "tools",
    "artifact.no_answer": "answer",
    "artifact.feedback_differs": "id",
}
"""The field that each refusal is about."""


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
        told = {} if self.code is None else {"x-seekloop-error": self.code}
        return JSONResponse(self.body, status_code=self.status, headers={**self.headers, **told})


DEFECT = Problem(status=500, message="the gateway has a defect; its log says where", code="defect")
"""What is nobody's fault but ours."""


def of_error(error: SeekloopError, *, language: str | None = None) -> Problem:
    """A problem that we have words for, in `language` ("en" or "zh"; None: the gateway's own).

    What the caller did is 4xx; what happened to us is 502 or 503.
    """
    default = 502 if isinstance(error, EngineError) else 503 if isinstance(error, LedgerError) else 400
    status = _status.get(error.code, default)
    sentence, hint = error.sentence(language), error.hint(language)
    return Problem(
        status=status,
        message=f"{sentence}; {hint}" if hint else sentence,
        code=_openai_code.get(error.code, error.code),
        param=_param.get(error.code),
        headers=_headers(error, status=status),
    )


def language_of(accepted: str) -> str | None:
    """What an `Accept-Language` header asks for first, of the two that we speak; None: it names neither first."""
    first = accepted.partition(",")[0].strip().lower()
    return next((known for known in ("zh", "en") if first == known or first.startswith(f"{known}-")), None)


def _headers(error: SeekloopError, *, status: int) -> Mapping[str, str]:
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    retry_s = error.facts.get("retry_s")
    if isinstance(retry_s, int):
        # Clients of OpenAI try again by themselves, soon; that is of no use before a budget begins anew.
        return {"Retry-After": str(retry_s), **({"x-should-retry": "false"} if retry_s > _patience_s else {})}
    return _RETRY if status in (429, 502, 503) else {}


def of_validation(error: RequestValidationError) -> Problem:
    """A body that is not what the API takes; the first thing wrong with it is named."""
    first = error.errors()[0]
    return _wrong(first["loc"][1:], str(first["msg"]))


def of_invalid(error: ValidationError) -> Problem:
    """As `of_validation`, of a body that was read without FastAPI."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return _wrong(first["loc"], first["msg"])


def _wrong(loc: Sequence[int | str], msg: str) -> Problem:
    # A field that may be text or parts is tried as both, and pydantic names each try in the path.
    path = [str(part) for part in loc if str(part).isidentifier() or str(part).isdigit()]
    where = ".".join(path) or None
    message = msg.removeprefix("Value error, ")
    return Problem(status=400, message=f"{where}: {message}" if where else message, code="invalid_value", param=where)


def of_http(error: HTTPException) -> Problem:
    """No such route, wrong method, body too large."""
    return Problem(status=error.status_code, message=str(error.detail), headers=error.headers or {})
