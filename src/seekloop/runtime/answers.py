"""Right answers while training: the model that is being trained answers validation rows, greedily, without a copy."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from seekloop.model.codec import Codec, View
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.torch_backend import TorchBackend
from seekloop.runtime.train.batching import IGNORED
from seekloop.system import seeds
from seekloop.text.normalize import key

__all__ = ["AnswerCheck"]

_more = 8
"""Tokens that an answer may be longer than the wanted one: the same text can be cut into other tokens."""


@dataclass(frozen=True, kw_only=True)
class AnswerCheck:
    """Prompts and the answers that are wanted. Call it with a model for the share that it gets right."""

    prompts: tuple[Prompt, ...]
    wanted: tuple[str, ...]
    """Normalised."""
    codec: Codec
    first_line: bool
    """Only the first line of an answer counts."""

    @classmethod
    def of(cls, views: Sequence[View], codec: Codec, *, at_most: int, seed: int, first_line: bool) -> AnswerCheck:
        """Ask for the last trained turn of each view.

        Args:
            views: of validation rows.
            codec: theirs.
            at_most: views that are asked, drawn by the seed.
            seed: of the run.
            first_line: whether only the first line counts, as where a label stands there and text after it.
        """
        if len(views) > at_most:
            generator = torch.Generator().manual_seed(seeds.derive(seed, "train", "answers"))
            drawn = sorted(torch.randperm(len(views), generator=generator)[:at_most].tolist())
            views = [views[index] for index in drawn]
        places = [_answer_of(view) for view in views]
        prompts = tuple(
            Prompt(
                ids=view.ids[:place],
                stop_ids=frozenset({codec.eos_id}),
                max_tokens=len(view.ids) - place + _more,
            )
            for view, place in zip(views, places, strict=True)
        )
        check = cls(prompts=prompts, wanted=(), codec=codec, first_line=first_line)
        texts = (check.text(view.ids[place:-1]) for view, place in zip(views, places, strict=True))
        return cls(prompts=prompts, wanted=tuple(texts), codec=codec, first_line=first_line)

    def __call__(self, model: nn.Module, check: Callable[[], None]) -> float:
        """The share of right answers: the same text once both are normalised; reasoning does not count.

        Args:
            model: in eval mode, in the middle of its training.
            check: called after each answer; may raise.

        Raises:
            EngineError: the model has layers that do not attend to everything before them.
        """
        right = 0
        with torch.no_grad(), TorchBackend(model) as backend:
            for index, completion in backend.generate(self.prompts):
                done = completion.finish_reason == "stop"
                right += done and self.text(completion.ids) == self.wanted[index]
                check()
        return right / len(self.prompts)

    def text(self, ids: Sequence[int]) -> str:
        """What counts of an answer, normalised."""
        parsed = self.codec.parse(ids)
        text = parsed.content.strip()
        calls = "".join(json.dumps(call["function"], sort_keys=True) for call in parsed.tool_calls)
        return key((text.partition("\n")[0] if self.first_line else text) + calls)


def _answer_of(view: View) -> int:
    """Where the last run of labels begins."""
    unlabelled = [place for place, label in enumerate(view.labels) if label == IGNORED]
    return unlabelled[-1] + 1 if unlabelled else 1
