"""What every backend refuses before it starts: prompts that do not fit."""

from __future__ import annotations

from collections.abc import Sequence

from seekloop.runtime.generate.backend import Prompt
from seekloop.system.errors import EngineError

__all__ = ["check_fits", "check_reads"]


def check_fits(prompt: Prompt, *, context: int) -> None:
    """Make sure that a prompt and the longest answer it may get fit into `context` tokens.

    Raises:
        EngineError: they do not; the counts are told.
        ValueError: the prompt is empty, or may not get a token.
    """
    if not prompt.ids or prompt.max_tokens < 1:
        raise ValueError("a prompt needs an id and room for one token")
    if len(prompt.ids) + prompt.max_tokens > context:
        raise EngineError("runtime.prompt_too_long", prompt=len(prompt.ids), answer=prompt.max_tokens, context=context)


def check_reads(ids: Sequence[int], *, context: int) -> None:
    """Make sure that a text fits into `context` tokens.

    Raises:
        EngineError: it does not; the counts are told.
        ValueError: it has no ids.
    """
    if not ids:
        raise ValueError("a text needs an id")
    if len(ids) > context:
        raise EngineError("runtime.prompt_too_long", prompt=len(ids), answer=0, context=context)
