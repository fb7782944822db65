"""The cores of one machine as workers: each computes whole micro-batches on a thread of its own.

The usual way, every operation split over all threads, makes the threads wait for each other thousands of times a step;
on a machine that also does other work each wait can cost a time slice. Workers wait for each other once a step.
Gradients are added up in a fixed order, so the result does not depend on who was faster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch, collate, share_out
from seekloop.runtime.train.loss import log_probs
from seekloop.runtime.train.objectives.objective import Objective, Whole
from seekloop.runtime.train.ranks import Ranks
from seekloop.runtime.train.rounded import Rounding, roundings
from seekloop.runtime.train.trunk import TrunkDecoder
from seekloop.runtime.train.validating import evaluating

__all__ = ["Learner", "Outcome", "Sums", "Workers", "both", "outcome_of"]

Check = Callable[[float, Batch], None]
Sums = dict[str, tuple[float, float]]
Hand = Sequence[Sequence[View]]
Result = TypeVar("Result")
_glance_s = 0.2


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of a step, or of the validation rows."""

    loss: float
    figures: dict[str, float]
    """What the objective says beside it."""


class Learner(Protocol):
    """What the loop asks for gradients and losses: workers on one model, or processes that each hold a part of it."""

    look: Callable[[], None]
    """Asked every now and then; it may raise."""

    def whole(self, views: Sequence[View]) -> Whole:
        """What the micro-batches of these views must know of them all."""

    def learn(
        self, views: Sequence[View], parameters: Sequence[nn.Parameter], *, whole: Whole, check: Check
    ) -> Outcome:
        """Put the gradients of the loss over `views` into `parameters`."""

    def measure(self, views: Sequence[View]) -> Outcome:
        """The loss over `views`, without gradients."""

    def ask(self, work: Callable[[nn.Module, Callable[[], None]], float]) -> float:
        """What `work` gives on the model as it is; its second argument may raise to stop it."""


class Workers:
    """Use `open`.

    Args:
        model: shared by all workers; they only read it.
        objective: what is minimised.
        count: how many.
        pool: where they run.
        budget: padded tokens of a micro-batch.
        pad: id to fill with.
        sharing: whether shared prefixes are computed once.
        ranks: processes that have as many workers each; their shares are added up.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        *,
        count: int,
        pool: ThreadPoolExecutor,
        budget: int,
        pad: int,
        sharing: bool,
        ranks: Ranks,
    ) -> None:
        self._model, self._objective, self._count, self._pool = model, objective, count, pool
        self._budget, self._pad, self._sharing = budget, pad, sharing
        self._ranks = ranks
        self._roundings = tuple(dict.fromkeys(roundings(model)))
        self.look: Callable[[], None] = lambda: None
        """Asked while the workers compute; it may raise."""

    @classmethod
    @contextmanager
    def open(
        cls,
        model: nn.Module,
        objective: Objective,
        *,
        count: int,
        threads: int,
        budget: int,
        pad: int,
        sharing: bool,
        ranks: Ranks | None = None,
    ) -> Iterator[Workers]:
        """Start the workers, each with `threads` threads for its operations, and end them with the block."""
        with ThreadPoolExecutor(count, "train", initializer=torch.set_num_threads, initargs=(threads,)) as pool:
            yield cls(
                model,
                objective,
                count=count,
                pool=pool,
                budget=budget,
                pad=pad,
                sharing=sharing,
                ranks=ranks or Ranks(),
            )

    def whole(self, views: Sequence[View]) -> Whole:
        """What the micro-batches of these views must know of them all."""
        return self._objective.whole(views, self.score)

    def learn(
        self, views: Sequence[View], parameters: Sequence[nn.Parameter], *, whole: Whole, check: Check
    ) -> Outcome:
        """Put the gradients of the loss over `views` into `parameters`.

        Args:
            views: of one optimizer step.
            parameters: those to train; one that the loss does not depend on keeps no gradient.
            whole: of these views, over all processes.
            check: called with the loss and the micro-batch before its backward pass.
        """
        end_to_end = self._room() is not None

        def work(parts: Sequence[Sequence[View]]) -> tuple[float, Sums, list[Tensor | None]]:
            value, figures, sums = 0.0, Sums(), [None] * len(parameters)
            for views in parts:
                batch = collate(views, pad=self._pad, sharing=self._sharing, end_to_end=end_to_end)
                part = self._objective.part(self._model, batch, whole=whole)
                check(part.loss.item(), batch)
                value += part.loss.item()
                figures = both(figures, part.figures)
                sums = _added(sums, torch.autograd.grad(part.loss, parameters, allow_unused=True))
            return value, figures, sums

        value, figures, sums = 0.0, Sums(), [None] * len(parameters)
        with self._ranks.together():
            for loss, more, grads in self._done(work, self._shared(views)):
                value += loss
                figures = both(figures, more)
                sums = _added(sums, grads)
        for parameter, grad in zip(parameters, self._ranks.add_gradients(sums, like=parameters), strict=True):
            parameter.grad = grad
        return outcome_of(value, figures, ranks=self._ranks, objective=self._objective)

    def measure(self, views: Sequence[View]) -> Outcome:
        """The loss over `views`, without gradients and without dropout; `look` is called before each micro-batch."""
        whole = self.whole(views)
        end_to_end = self._room() is not None

        def work(parts: Sequence[Sequence[View]]) -> tuple[float, Sums]:
            value, figures = 0.0, Sums()
            with torch.no_grad():
                for views in parts:
                    self.look()
                    batch = collate(views, pad=self._pad, sharing=self._sharing, end_to_end=end_to_end)
                    part = self._objective.part(self._model, batch, whole=whole)
                    value += part.loss.item()
                    figures = both(figures, part.figures)
            return value, figures

        value, figures = 0.0, Sums()
        with evaluating(self._model), self._ranks.together():
            for loss, more in self._done(work, self._shared(views)):
                value += loss
                figures = both(figures, more)
        return outcome_of(value, figures, ranks=self._ranks, objective=self._objective)

    def score(self, views: Sequence[View]) -> list[float]:
        """The summed log-probability of the labelled tokens of each view, without gradients and without dropout."""

        def work(parts: Sequence[Sequence[View]]) -> list[tuple[View, float]]:
            found: list[tuple[View, float]] = []
            with torch.no_grad():
                for part in parts:
                    batch = collate(part, pad=self._pad, sharing=self._sharing)
                    sums = log_probs(self._model, batch).sums(count=len(part))
                    found += zip(part, sums.tolist(), strict=True)
            return found

        # The same view twice has the same value, up to how its micro-batches were cut: either will do.
        hands = share_out(views, budget=self._budget, sharing=self._sharing, workers=self._count, together=False)
        with evaluating(self._model):
            found = self._done(work, hands)
        values = dict(pair for part in found for pair in part)
        return [values[view] for view in views]

    def ask(self, work: Callable[[nn.Module, Callable[[], None]], float]) -> float:
        """What `work` gives, asked by the first process for all; it calls its second argument now and then."""
        share = 0.0
        with evaluating(self._model), self._ranks.together():
            if self._ranks.first:
                share = work(self._model, self.look)
        return self._ranks.of_first(share)

    def _done(self, work: Callable[[Hand], Result], hands: Sequence[Hand]) -> list[Result]:
        """What the workers make of their hands, in order. `look` is asked meanwhile, however long they take."""
        for _ in self._pool.map(Rounding.values, self._roundings):
            pass  # what changed since the last time is rounded by all workers, before each needs all of it
        futures = [self._pool.submit(work, hand) for hand in hands]
        while True:
            done, waiting = wait(futures, timeout=_glance_s, return_when=FIRST_EXCEPTION)
            if not waiting or any(future.exception() for future in done):
                return [future.result() for future in futures]
            self.look()

    def _room(self) -> int | None:
        """Tokens that may go end to end through what is left of the model; None: micro-batches are padded."""
        decoder = self._model.get_decoder()
        return decoder.room(self._budget) if isinstance(decoder, TrunkDecoder) else None

    def _shared(self, views: Sequence[View]) -> Sequence[list[list[View]]]:
        """The micro-batches of each worker of this process."""
        room = self._room()
        hands = share_out(
            views,
            budget=room or self._budget,
            sharing=self._sharing,
            workers=self._count * self._ranks.count,
            together=self._objective.together,
            end_to_end=room is not None,
        )
        return self._ranks.share(hands, each=self._count)


def outcome_of(value: float, figures: Sums, *, ranks: Ranks, objective: Objective) -> Outcome:
    """What came of the shares of all processes; the first one always has a share, so it knows every figure."""
    if ranks.count > 1:
        names = json.loads(ranks.text_of_first(json.dumps(sorted(figures))))
        flat = (part for name in names for part in figures.get(name, (0.0, 0.0)))
        value, *sums = ranks.add([value, *flat])
        figures = dict(zip(names, zip(sums[::2], sums[1::2], strict=True), strict=True))
    return Outcome(loss=value, figures=objective.summary(value, figures))


def both(sums: Sums, more: Mapping[str, tuple[float, float]]) -> Sums:
    """Figures of two parts as one."""
    zero = (0.0, 0.0)
    names = dict.fromkeys((*sums, *more))
    return {
        name: (sums.get(name, zero)[0] + more.get(name, zero)[0], sums.get(name, zero)[1] + more.get(name, zero)[1])
        for name in names
    }


def _added(sums: list[Tensor | None], grads: Sequence[Tensor | None]) -> list[Tensor | None]:
    """`sums + grads` in place where there is both; what one of them lacks is the other's."""
    return [
        grad if total is None else total if grad is None else total.add_(grad)
        for total, grad in zip(sums, grads, strict=True)
    ]
