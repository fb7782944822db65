"""`/openapi.json`: what each route takes and gives, made from the routes themselves, with the answers spelt out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from seekloop.serve.access.routes import OPEN

__all__ = ["Api"]

_text, _whole, _anything = {"type": "string"}, {"type": "integer"}, {"type": "object"}
_stream = {"text/event-stream": {"schema": _text}}
_errors = {
    "4XX": "The request, the key or the caller's limits; the message says what to do.",
    "5XX": "Nothing that the caller did; `Retry-After` says when to come back.",
}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list_of(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_usage = _object(prompt_tokens=_whole, total_tokens=_whole)
_details = {**_object(cached_tokens=_whole), "description": "Where an upstream tells what it had read before."}
_spent = _object(prompt_tokens=_whole, completion_tokens=_whole, total_tokens=_whole)
_spent["properties"]["prompt_tokens_details"] = _details
_answer = {"id": _text, "created": _whole, "model": _text, "system_fingerprint": _text, "usage": _spent}
_choice = _object(index=_whole, finish_reason=_text)
_model = _object(id=_text, object={"const": "model"}, created=_whole, owned_by=_text)
_recorded = _object(id=_text, answer=_text, recorded={"type": "boolean"})
_refused = _object(line=_whole, code=_text, message=_text)
_vector = {"anyOf": [_list_of({"type": "number"}), _text]}
_awaited = _object(
    candidate=_text,
    verdict=_whole,
    judged_at=_text,
    until=_text,
    started_by=_text,
    two_persons={"type": "boolean"},
    rule_digest=_text,
    outcomes=_list_of(_anything),
)
_answers: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": _object(object={"const": "chat.completion"}, choices=_list_of(_choice), **_answer),
    "/v1/completions": _object(object={"const": "text_completion"}, choices=_list_of(_choice), **_answer),
    "/v1/embeddings": _object(
        object={"const": "list"}, data=_list_of(_object(index=_whole, embedding=_vector)), model=_text, usage=_usage
    ),
    "/v1/models": _object(object={"const": "list"}, data=_list_of(_model)),
    "/v1/models/{name}": _model,
    "/v1/feedback": _recorded,
    "/v1/ratings": _recorded,
    "/v1/feedback/batch": _object(lines=_whole, recorded=_whole, again=_whole, refused=_list_of(_refused)),
    "/v1/consent": _object(about=_text, consent={"type": "boolean"}),
    "/v1/approvals": _object(object={"const": "list"}, data=_list_of(_awaited)),
    "/v1/approvals/{candidate}": _object(candidate=_text, decision=_text, by=_text, at=_text, reason=_text, seq=_whole),
    "/v1/releases": _object(alias=_text, history=_list_of(_anything)),
    "/livez": _object(status=_text),
    "/readyz": _object(ready={"type": "boolean"}),
}
_streamed = frozenset({"/v1/chat/completions", "/v1/completions"})
_error = _object(
    error={
        **_object(message=_text, type=_text, param={"type": ["string", "null"]}, code={"type": ["string", "null"]}),
        "description": "OpenAI's error shape.",
    }
)


class Api(FastAPI):
    """A FastAPI whose description says what we answer: FastAPI's own would promise errors that we never give."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            made = super().openapi()
            for path, operations in made["paths"].items():
                for operation in operations.values():
                    _complete(operation, path=path)
            parts = made.setdefault("components", {})
            schemas = parts.setdefault("schemas", {})
            for never in ("HTTPValidationError", "ValidationError"):
                schemas.pop(never, None)
            schemas["Error"] = _error
            parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            self.openapi_schema = made
        return self.openapi_schema


def _complete(operation: dict[str, Any], *, path: str) -> None:
    answers = operation["responses"]
    answers.pop("422", None)
    if path in _answers:
        answers["200"]["content"] = {"application/json": {"schema": _answers[path]}}
    if path == "/metrics":
        answers["200"]["content"] = {"text/plain": {"schema": _text}}
    if path in _streamed:
        answers["200"]["content"] |= _stream
    for status, words in _errors.items():
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        answers.setdefault(status, {"description": words, "content": content})
    if path == "/readyz":
        answers["503"] = {**answers["200"], "description": "Not ready; `/v1/releases` says why."}
    if path not in OPEN:
        operation["security"] = [{"key": []}]
