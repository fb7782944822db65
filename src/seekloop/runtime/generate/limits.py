"""What every backend refuses before it starts: prompts that do not fit."""

from __future__ import annotations

from seekloop.runtime.generate.backend import Prompt
from seekloop.system.errors import EngineError

__all__ = ["check_fits"]


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
