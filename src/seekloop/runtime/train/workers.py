"""The cores of one machine as workers: each computes whole micro-batches on a thread of its own.

The usual way, every operation split over all threads, makes the threads wait for each other thousands of times a step;
on a machine that also does other work each wait can cost a time slice. Workers wait for each other once a step.
Gradients are added up in a fixed order, so the result does not depend on who was faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch, collate, share_out
from seekloop.runtime.train.loss import summed_loss

__all__ = ["Workers"]

Check = Callable[[float, Batch], None]


class Workers:
    """Use `open`.

    Args:
        model: shared by all workers; they only read it.
        count: how many.
        pool: where they run.
        budget: padded tokens of a micro-batch.
        pad: id to fill with.
        sharing: whether shared prefixes are computed once.
    """

    def __init__(
        self, model: nn.Module, *, count: int, pool: ThreadPoolExecutor, budget: int, pad: int, sharing: bool
    ) -> None:
        self._model, self._count, self._pool = model, count, pool
        self._budget, self._pad, self._sharing = budget, pad, sharing

    @classmethod
    @contextmanager
    def open(
        cls, model: nn.Module, *, count: int, threads: int, budget: int, pad: int, sharing: bool
    ) -> Iterator[Workers]:
        """Start the workers, each with `threads` threads for its operations, and end them with the block."""
        with ThreadPoolExecutor(count, "train", initializer=torch.set_num_threads, initargs=(threads,)) as pool:
            yield cls(model, count=count, pool=pool, budget=budget, pad=pad, sharing=sharing)

    def learn(self, views: Sequence[View], parameters: Sequence[nn.Parameter], *, total: int, check: Check) -> float:
        """Put the gradients of the mean loss over `views` into `parameters`; returns the loss.

        Args:
            views: of one optimizer step.
            parameters: those to train; one that the loss does not depend on keeps no gradient.
            total: labelled tokens to divide by.
            check: called with the loss and the micro-batch before its backward pass.
        """

        def work(parts: Sequence[Sequence[View]]) -> tuple[float, list[Tensor | None]]:
            value, sums = 0.0, [None] * len(parameters)
            for part in parts:
                batch = collate(part, pad=self._pad, sharing=self._sharing)
                loss = summed_loss(self._model, batch) / total
                check(loss.item(), batch)
                value += loss.item()
                sums = _added(sums, torch.autograd.grad(loss, parameters, allow_unused=True))
            return value, sums

        value, sums = 0.0, [None] * len(parameters)
        for loss, grads in self._pool.map(work, self._parts(views)):
            value += loss
            sums = _added(sums, grads)
        for parameter, grad in zip(parameters, sums, strict=True):
            parameter.grad = grad
        return value

    def score(self, views: Sequence[View]) -> float:
        """The summed loss over `views`, without gradients."""

        def work(parts: Sequence[Sequence[View]]) -> float:
            with torch.no_grad():
                batches = (collate(part, pad=self._pad, sharing=self._sharing) for part in parts)
                return sum(summed_loss(self._model, batch).item() for batch in batches)

        return sum(self._pool.map(work, self._parts(views)))

    def _parts(self, views: Sequence[View]) -> list[list[list[View]]]:
        return share_out(views, budget=self._budget, sharing=self._sharing, workers=self._count)


def _added(sums: list[Tensor | None], grads: Sequence[Tensor | None]) -> list[Tensor | None]:
    """`sums + grads` in place where there is both; what one of them lacks is the other's."""
    return [
        grad if total is None else total if grad is None else total.add_(grad)
        for total, grad in zip(sums, grads, strict=True)
    ]
