"""A model that is split over the processes of a run (FSDP2): each keeps an equal share of every weight.

torch's `fully_shard` gathers a decoder layer when it is reached and lets go of it afterwards, and hands each process
its share of the gradient sums. All processes therefore go through the same layers at the same time: one that has fewer
micro-batches goes along with one whose loss counts nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed import DistError
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch, collate, share_out
from seekloop.runtime.train.held import Held, Trained
from seekloop.runtime.train.loss import log_probs
from seekloop.runtime.train.methods.method import trainable
from seekloop.runtime.train.objectives.objective import Objective, Part, Whole
from seekloop.runtime.train.ranks import Ranks
from seekloop.runtime.train.validating import evaluating
from seekloop.runtime.train.workers import Outcome, Sums, both, outcome_of
from seekloop.system.errors import TrainError

__all__ = ["InStep", "MakeOptimizer", "Root", "Shards", "Split", "lost_is_a_sentence"]

Result = TypeVar("Result")
MakeOptimizer = Callable[[Mapping[str, nn.Parameter]], torch.optim.Optimizer]
_tiny = 1e-6
"""Added to the norm that gradients are divided by, as in `torch.nn.utils.clip_grad_norm_`."""


class Split(Protocol):
    """How a model is split over processes. Every method is called by all of them in the same order."""

    ranks: Ranks

    def split(self, model: nn.Module, optimizer: MakeOptimizer) -> Trained:
        """Split `model` in place, with its method applied; from then on it is computed with by `run` only."""

    def run(self, work: Callable[[nn.Module], Result]) -> Result:
        """What `work` makes of the model.

        Raises:
            TrainError: another process is gone.
        """

    def look(self, work: Callable[[nn.Module], Result]) -> Result:
        """`run` without gradients and without dropout."""

    def backward(self, loss: Tensor, *, last: bool) -> None:
        """Add the gradients of `loss`, summed over the processes; `last`: of this step."""

    def gather(self, into: Mapping[str, Tensor] | None) -> None:
        """Put the trained weights, one at a time, into those of `into`, which the first process gives."""


class Root(nn.Module):
    """What is called of a split model: it gathers the embedding and the head, and runs any work on the model inside.

    Args:
        model: a causal language model.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Callable[[nn.Module], Any]) -> Any:
        """What `work` gives; a tensor with a graph is found there by itself or in a tuple."""
        return work(self.model)


class Shards:
    """Each process keeps its rows of every weight, gradient and moment (FSDP2).

    Args:
        ranks: at least two processes.
    """

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.parameters: dict[str, nn.Parameter] = {}
        """This process's rows of each trained parameter; an optimizer step on them is one on the model."""
        self._root: nn.Module = nn.Module()
        self._spread: dict[str, Tensor] = {}

    def split(self, model: nn.Module, optimizer: MakeOptimizer) -> Trained:
        """Split `model` in place, a decoder layer at a time."""
        mesh = init_device_mesh("cpu", (self.ranks.count,))
        for layer in model.get_decoder().layers:
            fully_shard(layer, mesh=mesh)
        self._root = fully_shard(Root(model), mesh=mesh)
        for part in self._root.modules():
            if isinstance(part, FSDPModule):
                # Losses are divided by the whole step already. gloo knows sums only.
                part.set_gradient_divide_factor(1.0)
                part.set_force_sum_reduction_for_comms(True)
        # torch lays the rows out at the first pass; only then are they where they will stay.
        with torch.no_grad():
            self.run(lambda _: None)
        self._let_go()
        self._spread = dict(trainable(model))
        self.parameters = {name: nn.Parameter(_own(value)) for name, value in self._spread.items()}
        return Held(self.parameters, optimizer(self.parameters), clip=self._clip, cut=self.cut)

    def run(self, work: Callable[[nn.Module], Result]) -> Result:
        """What `work` makes of the model.

        Raises:
            TrainError: another process is gone.
        """
        with lost_is_a_sentence(self.ranks):
            result: Result = self._root(work)
        return result

    def look(self, work: Callable[[nn.Module], Result]) -> Result:
        """`run` without gradients and without dropout."""
        with torch.no_grad(), evaluating(self._root):
            result = self.run(work)
        self._let_go()
        return result

    def backward(self, loss: Tensor, *, last: bool) -> None:
        """Add this process's rows of the gradients, summed over the processes; `last`: hand them to `parameters`."""
        with lost_is_a_sentence(self.ranks):
            loss.backward()
        if last:
            for name, value in self._spread.items():
                self.parameters[name].grad = None if value.grad is None else _own(value.grad)
                value.grad = None

    def cut(self, whole: Tensor) -> Tensor:
        """This process's rows of a whole parameter, or of what belongs to it; a single number is everybody's."""
        if whole.ndim == 0:
            return whole
        parts = whole.chunk(self.ranks.count)
        return parts[self.ranks.rank].clone() if self.ranks.rank < len(parts) else whole[:0].clone()

    def gather(self, into: Mapping[str, Tensor] | None) -> None:
        """Put the trained weights, one at a time, into those of `into`, which the first process gives."""
        for name, value in self._spread.items():
            with lost_is_a_sentence(self.ranks), torch.no_grad():
                whole = value.full_tensor()
            if into is not None:
                into[name].data.copy_(whole)

    def _clip(self, parameters: Sequence[nn.Parameter], limit: float) -> float:
        """By the norm over the rows of all processes."""
        grads = [value.grad for value in parameters if value.grad is not None]
        own = sum(float(grad.square().sum(dtype=torch.float64)) for grad in grads)
        norm = self.ranks.add([own])[0] ** 0.5
        factor = min(1.0, limit / (norm + _tiny))
        for grad in grads:
            grad.mul_(factor)
        return float(norm)

    def _let_go(self) -> None:
        for part in self._root.modules():
            if isinstance(part, FSDPModule):
                part.reshard()


class InStep:
    """What `Workers` are for a model in one piece: micro-batch after micro-batch, all processes at one time.

    Args:
        split: the model.
        objective: what is minimised.
        budget: padded tokens of a micro-batch.
        pad: id to fill with.
    """

    def __init__(self, split: Split, objective: Objective, *, budget: int, pad: int) -> None:
        self._split, self._objective = split, objective
        self._budget, self._pad = budget, pad
        self._ranks = split.ranks
        self.look: Callable[[], None] = lambda: None
        """Asked every now and then; it may raise."""

    def whole(self, views: Sequence[View]) -> Whole:
        """What the micro-batches of these views must know of them all."""
        return self._objective.whole(views, self.score)

    def learn(
        self,
        views: Sequence[View],
        parameters: Sequence[nn.Parameter],
        *,
        whole: Whole,
        check: Callable[[float, Batch], None],
    ) -> Outcome:
        """Put this process's share of the gradients of the loss over `views` into its shares; as `Workers.learn`."""
        value, figures = 0.0, Sums()
        for batch, counts, last in self._batches(views):
            loss, part = self._split.run(partial(self._part, batch=batch, whole=whole))
            number = loss.item()
            with self._ranks.together():
                check(number, batch)
            self._split.backward(loss if counts else loss * 0.0, last=last)
            if counts:
                value += number
                figures = both(figures, part.figures)
        return outcome_of(value, figures, ranks=self._ranks, objective=self._objective)

    def measure(self, views: Sequence[View]) -> Outcome:
        """The loss over `views`, without gradients and without dropout; `look` is called before each micro-batch."""
        whole = self.whole(views)
        value, figures = 0.0, Sums()
        for batch, counts, _ in self._batches(views):
            self.agreed()
            loss, part = self._split.look(partial(self._part, batch=batch, whole=whole))
            if counts:
                value += loss.item()
                figures = both(figures, part.figures)
        return outcome_of(value, figures, ranks=self._ranks, objective=self._objective)

    def score(self, views: Sequence[View]) -> list[float]:
        """The summed log-probability of the labelled tokens of each view, without gradients and without dropout."""
        values: dict[View, float] = {}
        (hand,) = share_out(views, budget=self._budget, sharing=False, workers=1)
        for part in hand:
            batch = collate(part, pad=self._pad, sharing=False)
            sums = self._split.look(partial(_sums, batch=batch))
            values.update(zip(part, sums, strict=True))
        return [values[view] for view in views]

    def ask(self, work: Callable[[nn.Module, Callable[[], None]], float]) -> float:
        """What `work` gives, done by all processes at one time; it calls its second argument now and then."""
        return self._split.look(lambda model: work(model, self.agreed))

    def agreed(self) -> None:
        """`look`, asked by all processes at one time: what one of them hears ends the pass in all."""
        with self._ranks.together():
            self.look()

    def _part(self, model: nn.Module, *, batch: Batch, whole: Whole) -> tuple[Tensor, Part]:
        part = self._objective.part(model, batch, whole=whole)
        return part.loss, part

    def _batches(self, views: Sequence[View]) -> Iterator[tuple[Batch, bool, bool]]:
        """This process's micro-batches, then the smallest of all, which does not count, as long as another has some.

        Each comes with whether it counts, and whether it is the last.
        """
        hands = share_out(
            views,
            budget=self._budget,
            sharing=False,
            workers=self._ranks.count,
            together=self._objective.together,
        )
        (own,) = self._ranks.share([*hands, *[[]] * self._ranks.count], each=1)
        smallest = min((part for hand in hands for part in hand), key=lambda part: len(part) * len(part[0].ids))
        most = max(len(hand) for hand in hands)
        for place in range(most):
            part = own[place] if place < len(own) else smallest
            yield collate(part, pad=self._pad, sharing=False), place < len(own), place == most - 1


@contextlib.contextmanager
def lost_is_a_sentence(ranks: Ranks) -> Iterator[None]:
    """A process that is gone is an error of the transport, in the middle of a layer."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        if not isinstance(error, DistError) and "gloo" not in reason:
            raise
        raise TrainError("train.rank_lost", rank=ranks.rank, count=ranks.count, reason=reason) from error


def _sums(model: nn.Module, *, batch: Batch) -> list[float]:
    """The summed log-probability of each view."""
    found: list[float] = log_probs(model, batch).sums(count=len(batch.views)).tolist()
    return found


def _own(spread: Any) -> Tensor:
    """This process's rows; they share the memory of `spread`."""
    own: Tensor = spread.detach().to_local()
    return own
