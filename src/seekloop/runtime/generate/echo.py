"""A backend that needs no model: it says scripted replies, or repeats the end of the prompt. For tests and dry runs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from seekloop.runtime.generate.allowed import allowed_ids, is_allowed
from seekloop.runtime.generate.backend import Ability, Chance, Completion, Prompt, Token
from seekloop.runtime.generate.collect import Collector
from seekloop.system.clock import Clock, SystemClock

__all__ = ["EchoBackend"]

_repeated = 8
_width = 8


class EchoBackend:
    """Deterministic, instant, stateless.

    Args:
        replies: answer ids by prompt ids. Any other prompt is answered with its own last eight ids, stop ids left out.
        pace_s: seconds between tokens, for load tests.
        clock: measures completions.
    """

    name = "echo"
    abilities: frozenset[Ability] = frozenset({"grammar", "penalties", "logit_bias", "embeddings"})

    def __init__(
        self,
        replies: Mapping[tuple[int, ...], tuple[int, ...]] | None = None,
        *,
        pace_s: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        self._replies = dict(replies or {})
        self._pace_s = pace_s
        self._clock = clock or SystemClock()

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Completion]]:
        """Answer the prompts in their order."""
        for index, prompt in enumerate(prompts):
            answer = Collector(self._clock)
            for token in self.stream(prompt):
                answer.add(token)
            yield index, answer.completion()

    def stream(self, prompt: Prompt) -> Generator[Token, None, None]:
        """The reply up to its first stop id, cut at `max_tokens`."""
        reply = self._replies.get(prompt.ids)
        if reply is None:
            reply = tuple(id_ for id_ in prompt.ids if id_ not in prompt.stop_ids)[-_repeated:]
        for count, id_ in enumerate(reply[: prompt.max_tokens], start=1):
            if id_ in prompt.stop_ids:
                break
            if self._pace_s:
                time.sleep(self._pace_s)
            chance = None if prompt.top is None else _certain(id_, top=prompt.top)
            yield Token(id_, "length" if count == prompt.max_tokens else None, chance)
            if count == prompt.max_tokens:
                return
        yield Token(None, "stop")

    def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """Each id is certain: this backend has no doubts."""
        return tuple(_certain(id_, top=top) for id_ in ids[1:])

    def among(self, ids: Sequence[int], *, allowed: bytes, most: int) -> tuple[tuple[int, float], ...]:
        """The last that is allowed of the ids of the text itself, or the lowest of all: it repeats what it can."""
        told = next((id_ for id_ in reversed(ids) if is_allowed(id_, allowed)), None)
        return ((allowed_ids(allowed)[0] if told is None else told, 0.0),)

    def embed(self, ids: Sequence[int]) -> tuple[float, ...]:
        """Eight numbers that the ids decide."""
        digest = hashlib.sha256(repr(tuple(ids)).encode()).digest()
        return tuple(byte / 255 for byte in digest[:_width])

    def close(self) -> None:
        """Nothing to free."""

    def __enter__(self) -> Self:
        """The backend itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to free."""


def _certain(id_: int, *, top: int) -> Chance:
    return Chance(0.0, ((id_, 0.0),) if top else ())
