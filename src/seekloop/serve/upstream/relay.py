"""What an upstream says of its own answer: the counts, the calls, the reason for its end."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from seekloop.runtime.endpoint.meter import tokens_of
from seekloop.runtime.generate.backend import Chance
from seekloop.serve.upstream.asking import Asked
from seekloop.serve.upstream.reading import Calls, Heard

__all__ = ["Relayed"]

_reasons = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "stop"}


class Relayed:
    """The facts of an answer that is relayed. Where the upstream counts no tokens, they are estimated.

    Args:
        asked: what it was asked.
    """

    def __init__(self, asked: Asked) -> None:
        self.calls = Calls()
        self.finish_reason = "stop"
        self.logprobs: Any = None
        """As the upstream wrote them; of a stream, those of all its pieces."""
        self._asked = asked
        self._counted = Heard()
        self._said: list[str] = []

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""
        if self._counted.prompt_tokens is not None:
            return self._counted.prompt_tokens
        body = self._asked.body
        given = body.get("prompt")
        if isinstance(given, list):
            return len(given)
        texts = [given] if isinstance(given, str) else [str(each.get("content") or "") for each in body["messages"]]
        return sum(map(tokens_of, texts))

    @property
    def completion_tokens(self) -> int:
        """Tokens of the answer."""
        counted = self._counted.completion_tokens
        return tokens_of("".join(self._said)) if counted is None else counted

    @property
    def cached_tokens(self) -> int | None:
        """Of the prompt's, those that the upstream had read before; None: it does not tell."""
        counted = self._counted.cached_tokens
        return None if counted is None else min(counted, self.prompt_tokens)

    def add(self, piece: Heard) -> None:
        """Take what a piece says."""
        self._said += [piece.content, piece.reasoning]
        if piece.calls:
            self.calls.add(piece.calls)
        if piece.finish_reason is not None:
            self.finish_reason = _reasons.get(piece.finish_reason, "stop")
        if piece.logprobs is not None:
            self.logprobs = _joined(self.logprobs, piece.logprobs)
        if piece.prompt_tokens is not None or piece.completion_tokens is not None:
            self._counted = piece

    def blur(self, told: Callable[[int, Chance], Chance]) -> None:
        """Tell less of the log-probabilities: a token's text stands for its id."""
        try:
            self.logprobs = self.logprobs and _less(self.logprobs, told)
        except (AttributeError, KeyError, TypeError, ValueError):  # what cannot be read cannot be blurred
            self.logprobs = None

    def written(self, content: str) -> str:
        """The answer with its calls, as the record keeps them."""
        calls = "\n".join(json.dumps(call["function"], ensure_ascii=False) for call in self.calls.whole())
        return f"{content}\n{calls}" if content else calls


def _less(logprobs: dict[str, Any], told: Callable[[int, Chance], Chance]) -> dict[str, Any]:
    """Of a chat a list of tokens, of raw text lists side by side."""
    if "tokens" in logprobs:
        return logprobs | _less_raw(logprobs, told)
    return logprobs | {"content": [_less_token(one, told) for one in logprobs.get("content") or []]}


def _less_token(one: dict[str, Any], told: Callable[[int, Chance], Chance]) -> dict[str, Any]:
    top = one.get("top_logprobs") or []
    pairs = [(str(each["token"]), each["logprob"]) for each in top]
    chance = _told(told, str(one["token"]), logprob=one["logprob"], top=pairs)
    likeliest = [each | {"logprob": value} for each, (_, value) in zip(top, chance.top, strict=False)]
    return one | {"logprob": chance.logprob, "top_logprobs": likeliest}


def _less_raw(logprobs: dict[str, Any], told: Callable[[int, Chance], Chance]) -> dict[str, Any]:
    """Nothing precedes a prompt's first token."""
    values, tops = [], []
    rows = logprobs.get("top_logprobs") or [None] * len(logprobs["tokens"])
    for text, value, row in zip(logprobs["tokens"], logprobs["token_logprobs"], rows, strict=True):
        pairs = list((row or {}).items())
        chance = _told(told, text, logprob=0.0 if value is None else value, top=pairs)
        values.append(None if value is None else chance.logprob)
        tops.append(row and {name: each for (name, _), (_, each) in zip(pairs, chance.top, strict=False)})
    return {"token_logprobs": values, "top_logprobs": tops}


def _told(
    told: Callable[[int, Chance], Chance], text: str, *, logprob: float, top: Sequence[tuple[str, float]]
) -> Chance:
    return told(_number(text), Chance(logprob, tuple((_number(each), value) for each, value in top)))


def _number(text: str) -> int:
    return zlib.crc32(text.encode())


def _joined(before: Any, more: Any) -> Any:
    """Two pieces' log-probabilities: of chat a list of tokens, of raw text four lists side by side."""
    if not isinstance(before, dict) or not isinstance(more, dict):
        return more
    lists = {name: before.get(name) or [] for name, value in more.items() if isinstance(value, list)}
    return before | more | {name: [*known, *more[name]] for name, known in lists.items()}
