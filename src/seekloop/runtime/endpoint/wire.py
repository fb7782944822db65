"""What every client of an OpenAI-compatible endpoint sends and reads alike: the key, and what a refusal says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from seekloop.system import settings
from seekloop.system.errors import UsageError

__all__ = ["OF_REQUEST", "authorization", "chat_body", "told"]

OF_REQUEST = frozenset({400, 413, 422})
"""Statuses that tell of one request: too long, or of a content that is not allowed."""
_shown = 200


def authorization(key: str | None) -> dict[str, str]:
    """The header that carries a key named as `${NAME}`; none without a key.

    Raises:
        UsageError: the environment has no such key.
    """
    if key is None:
        return {}
    name = key[2:-1]
    value = settings.secret(name)
    if value is None:
        raise UsageError("endpoint.no_key", name=name)
    return {"Authorization": f"Bearer {value}"}


def chat_body(
    model: str, messages: Sequence[Mapping[str, Any]], *, temperature: float, max_tokens: int, seed: int
) -> dict[str, Any]:
    """The JSON of a chat completion's request: the same arguments give the same bytes.

    Args:
        model: as the endpoint names it.
        messages: role and content of each turn.
        temperature: 0 is greedy.
        max_tokens: of the answer.
        seed: of the sampling.
    """
    return {
        "model": model,
        "messages": list(messages),
        "temperature": temperature,
        "max_tokens": max_tokens,
        "seed": seed,
    }


def told(response: httpx2.Response) -> str:
    """What the endpoint says is wrong, on one line."""
    try:
        value = response.json()
    except ValueError:
        value = response.text
    error = value.get("error", value) if isinstance(value, dict) else value
    message = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(message).split())[:_shown]
