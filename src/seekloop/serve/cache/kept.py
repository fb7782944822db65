"""One kept answer: what was generated, and which answer of the ledger it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seekloop.runtime.generate.backend import Chance

__all__ = ["FINISHED", "Kept", "dumped", "loaded"]

FINISHED = frozenset({"stop", "length", "tool_calls"})
"""How an answer ends that may be given again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What an answer was, without what was asked."""

    answer: str
    """Id of the answer, as the ledger has it."""
    tenant: str
    release: str
    ids: tuple[int, ...]
    content: str
    reasoning: str
    tool_calls: tuple[Mapping[str, Any], ...]
    finish_reason: str
    """One of `FINISHED`."""
    written: str
    """What the row says that the answer was, calls in the model's own words."""
    prompt_tokens: int
    completion_tokens: int
    at: float
    """When it was asked for first: seconds since 1970."""
    chances: tuple[tuple[int, Chance], ...] = ()
    prompt_chances: tuple[Chance, ...] = ()


def dumped(kept: Kept) -> bytes:
    """As JSON, for a shelf outside this process."""
    value = {
        "answer": kept.answer,
        "tenant": kept.tenant,
        "release": kept.release,
        "ids": kept.ids,
        "content": kept.content,
        "reasoning": kept.reasoning,
        "tool_calls": [dict(call) for call in kept.tool_calls],
        "finish_reason": kept.finish_reason,
        "written": kept.written,
        "prompt_tokens": kept.prompt_tokens,
        "completion_tokens": kept.completion_tokens,
        "at": kept.at,
        "chances": [[id_, *_numbers(chance)] for id_, chance in kept.chances],
        "prompt_chances": [_numbers(chance) for chance in kept.prompt_chances],
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def loaded(body: bytes) -> Kept:
    """What `dumped` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        value = json.loads(body)
        kept = Kept(
            answer=value["answer"],
            tenant=value["tenant"],
            release=value["release"],
            ids=tuple(value["ids"]),
            content=value["content"],
            reasoning=value["reasoning"],
            tool_calls=tuple(value["tool_calls"]),
            finish_reason=value["finish_reason"],
            written=value["written"],
            prompt_tokens=value["prompt_tokens"],
            completion_tokens=value["completion_tokens"],
            at=value["at"],
            chances=tuple((id_, _chance(numbers)) for id_, *numbers in value["chances"]),
            prompt_chances=tuple(_chance(numbers) for numbers in value["prompt_chances"]),
        )
    except (KeyError, TypeError, IndexError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError("not a kept answer") from error
    if kept.finish_reason not in FINISHED:
        raise ValueError("an answer that is not kept")
    return kept


def _numbers(chance: Chance) -> list[Any]:
    return [chance.logprob, [list(pair) for pair in chance.top]]


def _chance(numbers: list[Any]) -> Chance:
    logprob, top = numbers
    return Chance(logprob, tuple((id_, value) for id_, value in top))
