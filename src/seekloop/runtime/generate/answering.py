"""Prompts through a batch that runs in this process: rows that end make room for the next at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from seekloop.runtime.generate.backend import Completion, Prompt, Token
from seekloop.runtime.generate.chances import chance_of
from seekloop.runtime.generate.collect import Collector
from seekloop.runtime.generate.sampling import Sampler
from seekloop.system.clock import Clock

__all__ = ["Batching", "Row", "answer_all", "answer_one"]

_read_at_once = 4096
"""Prompt tokens in one forward pass, padding included: bounds the memory of activations."""


class Batching(Protocol):
    """Rows that are being answered."""

    @property
    def free(self) -> int:
        """Slots without a row."""

    def admit(self, prompts: Sequence[tuple[int, Prompt]]) -> None:
        """Add rows, at most `free`; the number of each is given back with every token."""

    def step(self) -> list[tuple[int, Token]]:
        """One more token of every row; rows that are done have left."""


@dataclass
class Row:
    """One answer on its way."""

    index: int
    prompt: Prompt
    sampler: Sampler
    length: int
    """Positions that were read."""
    last: int
    """Token that goes in next."""
    count: int = 0
    """Tokens of the answer."""

    @classmethod
    def of(cls, index: int, prompt: Prompt) -> Row:
        """A row of which all ids but the last were read."""
        return cls(index, prompt, Sampler(prompt), length=len(prompt.ids) - 1, last=prompt.ids[-1])

    def take(self, logits: Tensor) -> tuple[int, Token]:
        """The next token, out of logits [vocabulary]."""
        id_ = self.sampler.next(logits)
        if id_ in self.prompt.stop_ids:
            return self.index, Token(None, "stop")
        self.last, self.length, self.count = id_, self.length + 1, self.count + 1
        chance = None if self.prompt.top is None else chance_of(id_, logits, top=self.prompt.top)
        return self.index, Token(id_, "length" if self.count == self.prompt.max_tokens else None, chance)


def answer_all(batch: Batching, prompts: Sequence[Prompt], *, clock: Clock) -> Iterator[tuple[int, Completion]]:
    """Answer prompts that fit, the longest first; yields (index, completion) as each one ends."""
    waiting = deque(sorted(enumerate(prompts), key=lambda item: -len(item[1].ids)))
    answers: dict[int, Collector] = {}
    while waiting or answers:
        while waiting and batch.free:
            group = _take(waiting, at_most=batch.free)
            answers |= {index: Collector(clock) for index, _ in group}
            batch.admit(group)
        for index, token in batch.step():
            answers[index].add(token)
            if token.finish_reason is not None:
                yield index, answers.pop(index).completion()


def answer_one(batch: Batching, prompt: Prompt) -> Generator[Token, None, None]:
    """Answer one prompt token by token, in a batch of one slot."""
    batch.admit([(0, prompt)])
    while batch.free == 0:
        for _, token in batch.step():
            yield token


def _take(waiting: deque[tuple[int, Prompt]], *, at_most: int) -> list[tuple[int, Prompt]]:
    """The next prompts that are read together: at least one, and no more than memory allows."""
    longest = len(waiting[0][1].ids)
    count = max(1, min(at_most, _read_at_once // longest))
    return [waiting.popleft() for _ in range(min(count, len(waiting)))]
