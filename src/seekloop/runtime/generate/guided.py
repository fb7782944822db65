"""Keeps any engine to a grammar: it talks for as long as it keeps to it by itself, and is corrected where it does not.

Whatever an engine wants to say is checked id by id. Where an id is not allowed, the engine is asked for the likeliest
of those that are, one is drawn, and the engine goes on from there. A greedy answer is the one that masking every step
would give. A drawn one has the same distribution: an id x that is allowed comes with p(x) at once, or, with
probability 1 - A of the first being refused, with p(x) / A, A being what is allowed together; the sum is p(x) / A.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
from collections.abc import AsyncGenerator, Sequence

from seekloop.runtime.generate.backend import Chance, Prompt, Token
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.grammar import Guide

__all__ = ["draw", "guided"]

_most = 64
"""Of the likeliest ids that are allowed, those that one is drawn from."""


async def guided(backend: AsyncBackend, prompt: Prompt, *, guide: Guide) -> AsyncGenerator[Token, None]:
    """Answer one prompt token by token within the grammar; `aclose` cancels the rest.

    It ends as `stop` where the grammar is satisfied, and nowhere else.

    Raises:
        EngineError: the prompt does not fit, the engine broke, or the grammar is more than can be followed.
    """
    said: list[int] = []
    while True:
        for token in _forced(prompt, guide, said=said):
            yield token
        async with contextlib.aclosing(_willing(backend, prompt, guide=guide, said=said)) as tokens:
            async for token in tokens:
                yield token
                if token.id is None:
                    return
        if len(said) == prompt.max_tokens:
            return
        if guide.over:
            yield Token(None, "stop")
            return
        allowed = guide.allowed()
        table = await backend.among((*prompt.ids, *said), allowed=allowed, most=_most)
        id_, logprob = draw(table, prompt, place=len(said))
        if id_ in prompt.stop_ids:
            yield Token(None, "stop")
            return
        guide.take(id_)
        yield _token(
            id_, prompt, said=said, chance=None if prompt.top is None else Chance(logprob, table[: prompt.top])
        )
        if len(said) == prompt.max_tokens:
            return


def draw(table: Sequence[tuple[int, float]], prompt: Prompt, *, place: int) -> tuple[int, float]:
    """One of the ids of a table with its log-probability: the likeliest, or drawn as the prompt wants it.

    Args:
        table: ids with log-probabilities (nats), likeliest first.
        prompt: whose temperature, nucleus and seed count.
        place: of the id in the answer.
    """
    if prompt.temperature <= 0:
        return table[0]
    weights = [math.exp((logprob - table[0][1]) / prompt.temperature) for _, logprob in table]
    total, kept, before = sum(weights), 0, 0.0
    while kept < len(weights) and before < prompt.top_p * total:
        before += weights[kept]
        kept += 1
    chosen = random.Random(f"{prompt.seed}/{place}").choices(range(kept), weights[:kept])[0]
    return table[chosen]


def _forced(prompt: Prompt, guide: Guide, *, said: list[int]) -> list[Token]:
    """What the grammar leaves no choice about, which no engine need be asked for; nothing where chances are wanted."""
    if prompt.top is not None:
        return []
    tokens: list[Token] = []
    for id_ in guide.forced()[: prompt.max_tokens - len(said)]:
        guide.take(id_)
        tokens.append(_token(id_, prompt, said=said))
    return tokens


async def _willing(
    backend: AsyncBackend, prompt: Prompt, *, guide: Guide, said: list[int]
) -> AsyncGenerator[Token, None]:
    """What the engine says by itself, up to the first id that is not allowed."""
    left = prompt.max_tokens - len(said)
    if not left or guide.over:
        return
    plain = dataclasses.replace(
        prompt, ids=(*prompt.ids, *said), max_tokens=left, seed=prompt.seed + len(said), grammar=None, warm=True
    )
    async with contextlib.aclosing(backend.stream(plain)) as tokens:
        async for token in tokens:
            if token.id is None and guide.complete:
                yield token
            if token.id is None or not guide.takes(token.id):
                return
            guide.take(token.id)
            yield _token(token.id, prompt, said=said, chance=token.chance)
            if len(said) == prompt.max_tokens or guide.over:
                return


def _token(id_: int, prompt: Prompt, *, said: list[int], chance: Chance | None = None) -> Token:
    said.append(id_)
    return Token(id_, "length" if len(said) == prompt.max_tokens else None, chance)
