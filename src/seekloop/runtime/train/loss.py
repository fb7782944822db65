"""Next-token losses where only labelled positions go through the head, and no logits outlive their chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from seekloop.model.memory import CHUNK
from seekloop.runtime.linear import product
from seekloop.runtime.train.batching import IGNORED, Batch
from seekloop.runtime.train.rounded import head_weight
from seekloop.runtime.train.trunk import TrunkDecoder

__all__ = [
    "LogProbs",
    "label_logits",
    "labels_of",
    "last_states",
    "log_probs",
    "loss_by",
    "states_by_layer",
    "summed_loss",
]

Judge = Callable[[Tensor, slice], Tensor]
"""Logits [n, vocabulary] and their places among the labelled tokens -> a sum, differentiable by the logits."""


def summed_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Sum of the cross-entropies of the labelled tokens of a micro-batch, a scalar with a graph.

    Divide by the labelled tokens of the whole optimizer step before `backward`.
    """
    states, labels, _ = _scored(model, batch)
    return _Summed.apply(states, _head(model), _entropy(labels))


@dataclass(frozen=True)
class LogProbs:
    """The log-probabilities of the labelled tokens of a micro-batch, [positions], with a graph."""

    values: Tensor
    view: Tensor
    """[positions], int64: which view of the batch a token is of."""
    place: Tensor
    """[positions], int64: its place in the view."""

    def sums(self, where: Tensor | None = None, *, count: int) -> Tensor:
        """[count]: the sum over each view's tokens, those where `where` is not true left out."""
        values = self.values if where is None else self.values * where
        return values.new_zeros(count).index_add(0, self.view, values)


def log_probs(model: nn.Module, batch: Batch) -> LogProbs:
    """The log-probability of each labelled token, in the order of the views."""
    states, labels, (view, place) = _scored(model, batch)
    return LogProbs(_HeadLogProbs.apply(states, _head(model), labels), view, place)


def loss_by(model: nn.Module, batch: Batch, *, judge: Judge, states: Tensor | None = None) -> Tensor:
    """The sum of what `judge` says of the labelled tokens of a micro-batch, a scalar with a graph.

    Args:
        model: whose head gives the logits.
        batch: the views.
        judge: is shown a chunk of positions at a time, in the order of the views; no logits outlive it.
        states: [positions, hidden] behind the last layer, where they are known already.
    """
    if states is None:
        states = _scored(model, batch)[0]
    return _Summed.apply(states, _head(model), _judged(judge))


def labels_of(batch: Batch) -> Tensor:
    """[positions]: the labelled tokens of a micro-batch, in the order of the views."""
    labels = batch.labels[:, 1:]
    return labels[labels != IGNORED]


@torch.no_grad()
def label_logits(model: nn.Module, batch: Batch) -> Iterator[Tensor]:
    """The logits of the labelled tokens, in the order of the views, a chunk [n, vocabulary] at a time."""
    states, _, _ = _scored(model, batch)
    for begin in range(0, len(states), CHUNK):
        yield product(states[begin : begin + CHUNK], _head(model))


def states_by_layer(model: nn.Module, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
    """[positions, hidden] of the labelled tokens: behind the last norm, and behind each layer, with a graph."""
    found = model.get_decoder()(input_ids=batch.ids, use_cache=False, output_hidden_states=True)
    scored = batch.labels[:, 1:] != IGNORED
    layers = tuple(states[:, :-1][scored] for states in found.hidden_states[1:])
    return found.last_hidden_state[:, :-1][scored], layers


def last_states(model: nn.Module, batch: Batch) -> Tensor:
    """[views, hidden]: the state at the last token of each view."""
    ends = torch.tensor([len(view.ids) - 1 - batch.prefix for view in batch.views])
    return _states(model, batch)[torch.arange(len(ends)), ends]


def _scored(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """[positions, hidden] states that predict labels, [positions] the labels, and each one's view and place."""
    labels = batch.labels[:, batch.prefix + 1 :]
    scored = labels != IGNORED
    states = _states(model, batch, scored=scored)
    view, place = scored.nonzero(as_tuple=True)
    return states[:, :-1][scored], labels[scored], (view, place + batch.prefix + 1)


def _head(model: nn.Module) -> Tensor:
    weight = head_weight(model)
    return weight if torch.is_grad_enabled() else weight.detach()


def _states(model: nn.Module, batch: Batch, *, scored: Tensor | None = None) -> Tensor:
    """Last hidden states, [rows, length - prefix, hidden]; where `scored` is given, those of others may be zero.

    There is no mask for padding: it stands at the end, where causal attention of real tokens does not reach. A shared
    prefix goes through the model as one row; its keys and values are then repeated, so gradients come back summed.
    """
    body = model.get_decoder()
    if isinstance(body, TrunkDecoder):
        needed = None if scored is None else nn.functional.pad(scored, (0, 1))
        kept = body.states(batch, needed)
        if kept is not None:
            return kept
    if not batch.prefix:
        return body(input_ids=batch.ids, use_cache=False).last_hidden_state
    cache = body(input_ids=batch.ids[:1, : batch.prefix], use_cache=True).past_key_values
    cache.batch_repeat_interleave(batch.ids.shape[0])
    return body(input_ids=batch.ids[:, batch.prefix :], past_key_values=cache, use_cache=True).last_hidden_state


class _Piece(Protocol):
    """A part of a sum over positions."""

    def __call__(self, logits: Tensor, here: slice, *, wants: bool) -> tuple[Tensor, Tensor | None]:
        """Of some positions, with their logits and which they are: the part of the sum, and where wanted its gradient.

        The logits may be overwritten.
        """


class _Summed(torch.autograd.Function):
    """Head and a sum over positions in one: gradients are formed chunk by chunk in the forward pass, no logits kept."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, piece: _Piece) -> Tensor:
        """[positions, hidden], [vocabulary, hidden] -> scalar."""
        total = states.new_zeros(())
        grad_states = torch.empty_like(states) if ctx.needs_input_grad[0] else None
        grad_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for begin in range(0, len(states), CHUNK):
            here = slice(begin, min(begin + CHUNK, len(states)))
            part = states[here]
            wants = grad_states is not None or grad_weight is not None
            value, grad = piece(product(part, weight), here, wants=wants)
            total += value
            if grad_states is not None and grad is not None:
                grad_states[here] = product(grad, weight.t())
            if grad_weight is not None and grad is not None:
                grad_weight += product(grad.t(), part.t())
        ctx.save_for_backward(grad_states, grad_weight)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Scale what the forward pass formed."""
        grad_states, grad_weight = ctx.saved_tensors
        return (
            None if grad_states is None else grad_states * grad,
            None if grad_weight is None else grad_weight * grad,
            None,
        )


def _entropy(labels: Tensor) -> _Piece:
    """Cross-entropy with `labels` [positions], its gradient in the place of the logits."""

    def piece(logits: Tensor, here: slice, *, wants: bool) -> tuple[Tensor, Tensor | None]:
        wanted = labels[here].unsqueeze(1)
        norm = logits.logsumexp(1, keepdim=True)
        value = (norm - logits.gather(1, wanted)).sum()
        if not wants:
            return value, None
        return value, logits.sub_(norm).exp_().scatter_add_(1, wanted, torch.full_like(norm, -1.0))

    return piece


def _judged(judge: Judge) -> _Piece:
    """Whatever `judge` says of logits, differentiated by torch."""

    def piece(logits: Tensor, here: slice, *, wants: bool) -> tuple[Tensor, Tensor | None]:
        if not wants:
            return judge(logits, here), None
        with torch.enable_grad():
            value = judge(logits.requires_grad_(), here)
            (grad,) = torch.autograd.grad(value, logits)
        return value.detach(), grad

    return piece


class _HeadLogProbs(torch.autograd.Function):
    """Head and log-softmax in one, a value for each position: what each gets for a gradient is known only afterwards.

    The gradient of the states needs only be scaled then; that of the head, which few methods train, is formed again.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
        """[positions, hidden], [vocabulary, hidden], [positions] -> [positions]."""
        values = states.new_empty(len(labels))
        grad_states = torch.empty_like(states) if ctx.needs_input_grad[0] else None
        for begin in range(0, len(labels), CHUNK):
            part, wanted = states[begin : begin + CHUNK], labels[begin : begin + CHUNK].unsqueeze(1)
            logits = product(part, weight)
            norm = logits.logsumexp(1, keepdim=True)
            values[begin : begin + CHUNK] = (logits.gather(1, wanted) - norm).squeeze(1)
            if grad_states is not None:
                slope = _slope(logits, norm, wanted=wanted)
                grad_states[begin : begin + CHUNK] = product(slope, weight.t())
        ctx.save_for_backward(grad_states, labels, *((states, weight) if ctx.needs_input_grad[1] else ()))
        return values

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """[positions] -> gradients of states and head."""
        grad_states, labels, *head = ctx.saved_tensors
        grad_weight = None
        if head:
            states, weight = head
            grad_weight = torch.zeros_like(weight)
            for begin in range(0, len(labels), CHUNK):
                part, wanted = states[begin : begin + CHUNK], labels[begin : begin + CHUNK].unsqueeze(1)
                logits = product(part, weight)
                slope = _slope(logits, logits.logsumexp(1, keepdim=True), wanted=wanted)
                slope *= grad[begin : begin + CHUNK].unsqueeze(1)
                grad_weight += product(slope.t(), part.t())
        return None if grad_states is None else grad_states * grad.unsqueeze(1), grad_weight, None


def _slope(logits: Tensor, norm: Tensor, *, wanted: Tensor) -> Tensor:
    """Gradient of the label's log-probability by the logits, in place: one at the label, less the softmax."""
    return logits.sub_(norm).exp_().neg_().scatter_add_(1, wanted, torch.ones_like(norm))
