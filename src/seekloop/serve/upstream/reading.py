"""What an upstream says, read into pieces of an answer: from whole bodies, or from events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Calls", "Heard", "heard", "problem_of"]

_shown = 300
_untold = (None, None, None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """A piece of an answer; the counts come with the last one, where the upstream counts at all."""

    content: str = ""
    reasoning: str = ""
    calls: tuple[Mapping[str, Any], ...] = ()
    """Tool calls, or parts of them."""
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    """Of the prompt's, those that the upstream had read before."""
    logprobs: Any = None
    """As the upstream wrote them."""


class Calls:
    """Tool calls put together again of the parts that a stream brings, by their index."""

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, Any]] = {}

    def add(self, parts: tuple[Mapping[str, Any], ...]) -> None:
        """One piece's parts."""
        for place, part in enumerate(parts):
            index = part.get("index")
            call = self._calls.setdefault(
                index if isinstance(index, int) else place,
                {"id": None, "type": "function", "function": {"name": "", "arguments": ""}},
            )
            call["id"] = part.get("id") or call["id"]
            said = part.get("function") or {}
            call["function"]["name"] += said.get("name") or ""
            call["function"]["arguments"] += said.get("arguments") or ""

    def whole(self) -> tuple[dict[str, Any], ...]:
        """The calls, in their order."""
        return tuple(self._calls[index] for index in sorted(self._calls))


def heard(data: bytes) -> Heard:
    """A piece from the JSON of a body or an event, of chat or of raw text.

    Raises:
        ValueError: it is no JSON of that kind, or it tells of an error.
    """
    try:
        value = json.loads(data)
        if value.get("error"):
            raise ValueError(problem_of(data))
        usage = value.get("usage")
        prompt, answer, cached = _counts(usage) if usage else _untold
        choice: dict[str, Any] = (value.get("choices") or ({},))[0]
        said = choice.get("delta") or choice.get("message") or {}
        return Heard(
            content=said.get("content") or choice.get("text") or "",
            reasoning=said.get("reasoning_content") or said.get("reasoning") or "",
            calls=tuple(said.get("tool_calls") or ()),
            finish_reason=choice.get("finish_reason"),
            prompt_tokens=prompt,
            completion_tokens=answer,
            cached_tokens=cached,
            logprobs=choice.get("logprobs"),
        )
    except (AttributeError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"that is no answer of this protocol: {data[:_shown]!r}") from error


def _counts(usage: Mapping[str, Any]) -> tuple[int | None, int | None, int | None]:
    """Tokens of the prompt, of the answer, and of the prompt those that had been read before.

    OpenAI, vLLM, SGLang and llama-server say these in details, DeepSeek's API beside the other counts.
    """
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    if cached is None:
        cached = _count(usage.get("prompt_cache_hit_tokens"))
    return _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), cached


def _count(value: object) -> int | None:
    """A count, if it is one: `True` is none."""
    return value if type(value) is int and value >= 0 else None


def problem_of(data: bytes) -> str:
    """What an upstream says is wrong, on one line."""
    try:
        value = json.loads(data)
    except ValueError:
        value = data.decode("utf-8", "replace")
    error = value.get("error", value) if isinstance(value, dict) else value
    message = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(message).split())[:_shown]
