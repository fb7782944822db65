"""A classifier as a backend: its answer to a prompt is the label, in the ids that a trained answer would have."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from types import TracebackType
from typing import Self

import torch
from torch import nn

from seekloop.artifact.rows import Message
from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Chance, Completion, Prompt, Token
from seekloop.runtime.generate.collect import Collector
from seekloop.runtime.generate.limits import check_fits
from seekloop.runtime.train.classifiers import Classes, predict
from seekloop.system.clock import Clock, SystemClock
from seekloop.system.errors import EngineError

__all__ = ["ClassifierBackend"]


class ClassifierBackend:
    """Nothing is generated, so an answer takes one pass over the prompt.

    Args:
        model: with a head.
        classes: of the head.
        codec: writes the label as an answer.
        context: longest prompt and label, in tokens.
        clock: measures completions.
    """

    def __init__(
        self, model: nn.Module, *, classes: Classes, codec: Codec, context: int, clock: Clock | None = None
    ) -> None:
        self.name = f"torch {torch.__version__} classifier"
        self._model, self._classes, self._codec, self._context = model, classes, codec, context
        self._clock = clock or SystemClock()

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Completion]]:
        """Answer all prompts.

        Raises:
            EngineError: a prompt does not fit; nothing was computed.
        """
        for prompt in prompts:
            check_fits(prompt, context=self._context)
        answers = [Collector(self._clock) for _ in prompts]
        scores = predict(self._model, [prompt.ids for prompt in prompts], pad=self._codec.pad_id)
        for index, (prompt, each) in enumerate(zip(prompts, scores, strict=True)):
            for token in self._tokens(self._classes.label(each), at_most=prompt.max_tokens):
                answers[index].add(token)
            yield index, answers[index].completion()

    def stream(self, prompt: Prompt) -> Generator[Token, None, None]:
        """The label, token by token.

        Raises:
            EngineError: the prompt does not fit.
        """
        check_fits(prompt, context=self._context)
        (scores,) = predict(self._model, [prompt.ids], pad=self._codec.pad_id)
        yield from self._tokens(self._classes.label(scores), at_most=prompt.max_tokens)

    def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """A head gives classes probabilities, not ids.

        Raises:
            EngineError: always.
        """
        raise EngineError("runtime.no_likelihoods", engine=self.name)

    def _tokens(self, label: str, *, at_most: int) -> Iterator[Token]:
        ids = self._codec.answer_ids(Message(role="assistant", content=label))[:-1]
        yield from (Token(id_) for id_ in ids[:at_most])
        yield Token(None, "stop" if len(ids) <= at_most else "length")

    def close(self) -> None:
        """Nothing beyond what the garbage collector frees."""

    def __enter__(self) -> Self:
        """The backend itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing beyond what the garbage collector frees."""
