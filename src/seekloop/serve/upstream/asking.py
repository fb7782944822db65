"""What is sent to an upstream: the caller's messages or text, and how the answer is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seekloop.runtime.generate.backend import Prompt
from seekloop.serve.protocol import ChatRequest, CompletionRequest

__all__ = ["Asked", "chat_asked", "text_asked"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request to an upstream."""

    path: str
    """Below the endpoint's `/v1`."""
    body: Mapping[str, Any]
    """Without the model's name, which the upstream's own adds."""
    stream: bool = False
    """Whether the answer is wanted as it comes, which is no part of what it says."""


def chat_asked(request: ChatRequest, messages: Sequence[Mapping[str, Any]], *, prompt: Prompt) -> Asked:
    """A conversation, drawn as `prompt` says; its ids are not used."""
    body: dict[str, Any] = {"messages": list(messages), **_drawn(prompt, stops=request.stops)}
    if request.offered_tools:
        body["tools"] = list(request.offered_tools)
    if request.top is not None:
        body |= {"logprobs": True, "top_logprobs": request.top}
    if request.shaped:
        shape = {"response_format", "tool_choice"}
        body |= request.model_dump(mode="json", by_alias=True, include=shape, exclude_none=True)
    return Asked(path="chat/completions", body=body, stream=bool(request.stream))


def text_asked(request: CompletionRequest, text: str | Sequence[int], *, prompt: Prompt) -> Asked:
    """A raw prompt, as text or in the upstream's own ids."""
    body: dict[str, Any] = {
        "prompt": text if isinstance(text, str) else list(text),
        **_drawn(prompt, stops=request.stops),
    }
    if request.echo:
        body["echo"] = True
    if request.logprobs is not None:
        body["logprobs"] = request.logprobs
    return Asked(path="completions", body=body, stream=bool(request.stream))


def _drawn(prompt: Prompt, *, stops: Sequence[str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "seed": prompt.seed,
    }
    penalties = {"presence_penalty": prompt.presence, "frequency_penalty": prompt.frequency}
    body |= {name: value for name, value in penalties.items() if value}
    if prompt.bias:
        body["logit_bias"] = {str(id_): value for id_, value in prompt.bias}
    if stops:
        body["stop"] = list(stops)
    return body
