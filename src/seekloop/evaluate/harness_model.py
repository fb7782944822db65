"""Our models as lm-eval's: what it asks in its own classes, handed on as plain texts. Needs the extra `lmeval`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval.api.model import LM

from seekloop.artifact.rows import Message
from seekloop.evaluate.harness_text import Asked, TextModel

__all__ = ["HarnessModel"]

_max_tokens = 256
"""lm-eval's own default for tasks that say nothing."""


class HarnessModel(LM):
    """lm-eval's interface over a `TextModel`."""

    def __init__(self, model: TextModel) -> None:
        super().__init__()
        self.model = model

    @property
    def tokenizer_name(self) -> str:
        """What prompts depend on, for lm-eval's request cache."""
        return self.model.name

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """(log-probability, greedy) of each request's (context, continuation)."""
        return self.model.likelihoods([request.args for request in requests])

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Log-probability of each request's (text,)."""
        return self.model.whole_likelihoods([request.args[0] for request in requests])

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """What follows each request's (text, options)."""
        return self.model.answers([_asked(*request.args) for request in requests])

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """A conversation as one text."""
        turns = [Message(role=turn["role"], content=turn["content"]) for turn in chat_history]
        return self.model.chat(turns, open_turn=add_generation_prompt)

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The template is the codec's; lm-eval only keeps what is given here beside the results."""
        return "seekloop codec" if chat_template else None


def _asked(text: str, options: Mapping[str, Any]) -> Asked:
    until = options.get("until") or []
    sampled = bool(options.get("do_sample", False))
    return Asked(
        text=text,
        until=tuple([until] if isinstance(until, str) else until),
        max_tokens=int(options.get("max_gen_toks", _max_tokens)),
        temperature=float(options.get("temperature", 1.0)) if sampled else 0.0,
    )
