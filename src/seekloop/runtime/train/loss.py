"""Next-token loss where only labelled positions go through the head, and no logits outlive their chunk."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from seekloop.runtime.linear import product
from seekloop.runtime.train.batching import IGNORED, Batch

__all__ = ["summed_loss"]

_chunk = 256
"""Positions whose logits exist at one time: 50 MB at a vocabulary of 49,152."""


def summed_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Sum of the cross-entropies of the labelled tokens of a micro-batch, a scalar with a graph.

    Divide by the labelled tokens of the whole optimizer step before `backward`.
    """
    states = _states(model, batch)
    labels = batch.labels[:, batch.prefix + 1 :]
    scored = labels != IGNORED
    weight = model.get_output_embeddings().weight
    weight = weight if torch.is_grad_enabled() else weight.detach()
    return _HeadLoss.apply(states[:, :-1][scored], weight, labels[scored])


def _states(model: nn.Module, batch: Batch) -> Tensor:
    """Last hidden states, [rows, length - prefix, hidden].

    There is no mask for padding: it stands at the end, where causal attention of real tokens does not reach. A shared
    prefix goes through the model as one row; its keys and values are then repeated, so gradients come back summed.
    """
    body = model.get_decoder()
    if not batch.prefix:
        return body(input_ids=batch.ids, use_cache=False).last_hidden_state
    cache = body(input_ids=batch.ids[:1, : batch.prefix], use_cache=True).past_key_values
    cache.batch_repeat_interleave(batch.ids.shape[0])
    return body(input_ids=batch.ids[:, batch.prefix :], past_key_values=cache, use_cache=True).last_hidden_state


class _HeadLoss(torch.autograd.Function):
    """Head and cross-entropy in one: gradients are formed chunk by chunk in the forward pass, without logits kept."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
        """[positions, hidden], [vocabulary, hidden], [positions] -> scalar."""
        total = states.new_zeros(())
        grad_states = torch.empty_like(states) if ctx.needs_input_grad[0] else None
        grad_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for begin in range(0, len(labels), _chunk):
            part, wanted = states[begin : begin + _chunk], labels[begin : begin + _chunk].unsqueeze(1)
            logits = product(part, weight)
            norm = logits.logsumexp(1, keepdim=True)
            total += (norm - logits.gather(1, wanted)).sum()
            if grad_states is None and grad_weight is None:
                continue
            grad = logits.sub_(norm).exp_().scatter_add_(1, wanted, torch.full_like(norm, -1.0))
            if grad_states is not None:
                grad_states[begin : begin + _chunk] = product(grad, weight.t())
            if grad_weight is not None:
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
