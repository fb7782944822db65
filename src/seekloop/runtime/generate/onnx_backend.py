"""Generation and scoring with an ONNX graph in onnxruntime, in this process: what a host of graphs would answer."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Generator, Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np
import torch

from seekloop.runtime.generate.answering import Row, answer_all, answer_one
from seekloop.runtime.generate.backend import Ability, Backend, Chance, Completion, Prompt, Token
from seekloop.runtime.generate.chances import chance_of, likeliest
from seekloop.runtime.generate.likelihood import Fork, Likelihood, check_fork
from seekloop.runtime.generate.limits import check_fits, check_reads
from seekloop.runtime.onnx_model import OnnxModel
from seekloop.system.clock import Clock, SystemClock
from seekloop.system.errors import EngineError

__all__ = ["OnnxBackend"]

_usual_streams = 16


class OnnxBackend:
    """Batched generation with one graph, which scores as well.

    Args:
        model: the graph.
        streams: rows that are answered at the same time; None: 16.
        context: tokens of prompt and answer together.
        clock: measures completions.
    """

    abilities: frozenset[Ability] = frozenset({"grammar", "penalties", "logit_bias"})

    def __init__(
        self, model: OnnxModel, *, streams: int | None = None, context: int = 2048, clock: Clock | None = None
    ) -> None:
        self.name = f"onnxruntime {importlib.metadata.version('onnxruntime')}"
        self.generator: Backend = self
        self._model: OnnxModel | None = model
        self._streams = streams or _usual_streams
        self._context = context
        self._clock = clock or SystemClock()

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Completion]]:
        """Answer all prompts, the longest first.

        Raises:
            EngineError: a prompt does not fit; nothing was generated.
        """
        for prompt in prompts:
            check_fits(prompt, context=self._context)
        yield from answer_all(self._batch(prompts, slots=self._streams), prompts, clock=self._clock)

    def stream(self, prompt: Prompt) -> Generator[Token, None, None]:
        """Answer one prompt token by token.

        Raises:
            EngineError: the prompt does not fit.
        """
        check_fits(prompt, context=self._context)
        yield from answer_one(self._batch([prompt], slots=1), prompt)

    def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """What the model gives each id of a text but the first, in one pass.

        Raises:
            EngineError: the text does not fit.
        """
        logits = self._read(ids)
        return tuple(chance_of(id_, logits[place], top=top) for place, id_ in enumerate(ids[1:]))

    def among(self, ids: Sequence[int], *, allowed: bytes, most: int) -> tuple[tuple[int, float], ...]:
        """The likeliest of the allowed ids after `ids`, in one pass.

        Raises:
            EngineError: the text does not fit.
        """
        return likeliest(self._read(ids)[-1], allowed=allowed, most=most)

    def embed(self, ids: Sequence[int]) -> tuple[float, ...]:
        """Nothing: a graph gives logits, and no states.

        Raises:
            EngineError: always.
        """
        del ids
        raise EngineError("grammar.cannot", engine=self.name, ability="embeddings")

    def score(self, forks: Sequence[Fork]) -> Iterator[tuple[int, tuple[Likelihood, ...]]]:
        """Score all forks, in their order; the context of each is read once.

        Raises:
            EngineError: a way does not fit the context.
        """
        for index, fork in enumerate(forks):
            yield index, self._ways(fork)

    def close(self) -> None:
        """Let go of the weights."""
        self._model = None

    def __enter__(self) -> Self:
        """The backend itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _ways(self, fork: Fork) -> tuple[Likelihood, ...]:
        check_fork(fork, context=self._context)
        return tuple(
            _likelihood(torch.from_numpy(said), way)
            for said, way in zip(self._opened().ways(fork.context, fork.ways), fork.ways, strict=True)
        )

    def _read(self, ids: Sequence[int]) -> torch.Tensor:
        """[len(ids), vocabulary]."""
        check_reads(ids, context=self._context)
        return torch.from_numpy(self._opened().logits(ids))

    def _batch(self, prompts: Sequence[Prompt], *, slots: int) -> _Batch:
        positions = max((len(prompt.ids) + prompt.max_tokens for prompt in prompts), default=1)
        return _Batch(self._opened(), slots=max(1, min(slots, len(prompts))), positions=positions)

    def _opened(self) -> OnnxModel:
        if self._model is None:
            raise EngineError("runtime.closed", engine=self.name)
        return self._model


class _Batch:
    """Rows in slots of their own: row i holds its positions from the left, and rows in use are the first ones.

    Args:
        model: the graph.
        slots: rows at the same time.
        positions: longest row, prompt and answer together.
    """

    def __init__(self, model: OnnxModel, *, slots: int, positions: int) -> None:
        self._model, self._slots = model, slots
        self._rows: list[Row] = []
        # Zeros: a masked position has weight 0, and 0 times whatever memory held before could be NaN.
        self._kept = {
            name: np.zeros((slots, one.shape[1], positions, one.shape[3]), np.float32)
            for name, one in model.past.items()
        }

    @property
    def free(self) -> int:
        """Slots without a row."""
        return self._slots - len(self._rows)

    def admit(self, prompts: Sequence[tuple[int, Prompt]]) -> None:
        """Add rows, at most `free`: all ids but the last are read now, the last goes in with the next `step`."""
        start, count = len(self._rows), len(prompts)
        longest = max(len(prompt.ids) for _, prompt in prompts) - 1
        if longest:
            ids = np.zeros((count, longest), np.int64)  # what stands behind a prompt is read, and not looked at
            for row, (_, prompt) in zip(ids, prompts, strict=True):
                row[: len(prompt.ids) - 1] = prompt.ids[:-1]
            empty = {name: np.repeat(value, count, axis=0) for name, value in self._model.past.items()}
            positions = np.tile(np.arange(longest), (count, 1))
            _, read = self._model.forward(ids, empty, mask=np.ones_like(ids), positions=positions)
            for name, value in read.items():
                self._kept[name][start : start + count, :, :longest] = value
        self._rows += [Row.of(index, prompt) for index, prompt in prompts]

    def step(self) -> list[tuple[int, Token]]:
        """One more token of every row; rows that are done have left."""
        rows, lengths = len(self._rows), np.array([row.length for row in self._rows])
        span, every = int(lengths.max()), np.arange(rows)
        ids = np.array([[row.last] for row in self._rows])
        # A new id goes in behind the longest row: what a shorter one has between is not looked at.
        seen = np.concatenate([np.arange(span) < lengths[:, None], np.ones((rows, 1), bool)], axis=1)
        past = {name: np.ascontiguousarray(value[:rows, :, :span]) for name, value in self._kept.items()}
        logits, read = self._model.forward(ids, past, mask=seen.astype(np.int64), positions=lengths[:, None])
        for name, value in read.items():
            self._kept[name][every, :, lengths] = value[:, :, span]
        tokens = [row.take(torch.from_numpy(logits[place, -1])) for place, row in enumerate(self._rows)]
        for place in reversed([place for place, (_, token) in enumerate(tokens) if token.finish_reason is not None]):
            self._leave(place)
        return tokens

    def _leave(self, place: int) -> None:
        """Take a row out; the last one moves into its slot."""
        last = self._rows.pop()
        if place < len(self._rows):
            for kept in self._kept.values():
                kept[place, :, : last.length] = kept[len(self._rows), :, : last.length]
            self._rows[place] = last


def _likelihood(logits: torch.Tensor, way: Sequence[int]) -> Likelihood:
    """Of a way, by what the model says where each of its ids stands, [len(way), vocabulary]."""
    logprobs, ids = torch.log_softmax(logits, dim=-1), torch.tensor(way)
    return Likelihood(
        logprob=float(logprobs[torch.arange(len(way)), ids].double().sum()),
        greedy=bool((logprobs.argmax(-1) == ids).all()),
    )
