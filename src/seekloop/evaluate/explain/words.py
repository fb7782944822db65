"""Which words of the prompt made an answer: integrated gradients (Sundararajan, Taly, Yan 2017).

An attribution is the integral of the gradient of the answer's log-probability along the straight line from a prompt
whose words are blanked to the prompt itself. Attributions add up to the difference of the two log-probabilities
(completeness); what quadrature leaves of that is reported as the gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from seekloop.artifact.rows import Message
from seekloop.evaluate.explain.characters import Piece, merged
from seekloop.evaluate.explain.views import answered
from seekloop.model.codec import Codec, View

__all__ = ["Attribution", "attribute"]

_points = (32, 64)
"""Of the quadrature, one after the other until the gap is small."""
_tolerance = 0.02
"""Largest gap, as a share of the difference, that more points are not spent on."""
_tokens_at_once = 512
"""Tokens that go through the model together."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """What each word of a prompt did for an answer."""

    pieces: tuple[Piece, ...]
    """Of the prompt, in order; their scores are nats."""
    log_probability: float
    """Of the answer after the prompt, in nats."""
    blank: float
    """The same after the blanked prompt."""
    gap: float
    """The sum of the scores, less the difference of the two."""
    points: int
    """Of the quadrature."""


def attribute(model: nn.Module, codec: Codec, *, messages: Sequence[Message], answer: Message) -> Attribution:
    """The attribution of `answer` to the tokens of its prompt, pieces of characters put together.

    What the template wrote stays as it is on the whole line, so it gets nothing. A blank is the mean of the
    vocabulary's embeddings: no word in particular.

    Args:
        model: in eval mode, without gradients.
        codec: of the model.
        messages: the conversation before the answer.
        answer: what was said.
    """
    view = answered(messages, answer, codec=codec)
    prompt = sum(label < 0 for label in view.labels)
    table: Tensor = model.get_input_embeddings().weight.detach()
    whole = table[torch.tensor(view.ids)]
    blank = whole.clone()
    for begin, end in _contents(messages, codec):
        blank[begin:end] = table.mean(0)
    ends = _log_probability(model, torch.stack([blank, whole]), view=view).tolist()
    for points in _points:
        slopes = _mean_slope(model, blank=blank, whole=whole, view=view, points=points)
        scores = ((whole - blank) * slopes).sum(1)[:prompt]
        gap = float(scores.sum()) - (ends[1] - ends[0])
        if abs(gap) <= _tolerance * abs(ends[1] - ends[0]):
            break
    pieces = merged(view.ids[:prompt], scores.tolist(), codec=codec)
    return Attribution(pieces=pieces, log_probability=ends[1], blank=ends[0], gap=gap, points=points)


def _mean_slope(model: nn.Module, *, blank: Tensor, whole: Tensor, view: View, points: int) -> Tensor:
    """The mean gradient along the line, [tokens, hidden], by Gauss and Legendre's rule.

    The share s of the words is t^2, with t from 0 to 1: the norms of the first layers turn most where little is said.
    """
    nodes, weights = np.polynomial.legendre.leggauss(points)
    places = (nodes + 1) / 2
    shares, weights = places**2, weights * places
    total = torch.zeros_like(whole)
    size = max(1, _tokens_at_once // len(whole))
    for at in range(0, points, size):
        here = torch.tensor(shares[at : at + size], dtype=whole.dtype)[:, None, None]
        line = (blank + here * (whole - blank)).requires_grad_(True)
        (grad,) = torch.autograd.grad(_log_probability(model, line, view=view).sum(), line)
        total += (grad * torch.tensor(weights[at : at + size], dtype=whole.dtype)[:, None, None]).sum(0)
    return total


def _log_probability(model: nn.Module, embedded: Tensor, *, view: View) -> Tensor:
    """[rows, tokens, hidden] -> [rows]: of the labelled tokens, summed."""
    labels = torch.tensor(view.labels[1:])
    here = labels >= 0
    states = model.get_decoder()(inputs_embeds=embedded, use_cache=False).last_hidden_state[:, :-1][:, here]
    logits = model.get_output_embeddings()(states)
    wanted = labels[here].expand(len(embedded), -1).unsqueeze(2)
    return logits.log_softmax(-1).gather(2, wanted).squeeze(2).sum(1)


def _contents(messages: Sequence[Message], codec: Codec) -> list[tuple[int, int]]:
    """Begin and end of what each message says in the prompt's ids: what differs from a prompt where it says nothing."""
    whole = codec.prompt_ids(messages)
    found = []
    for place, message in enumerate(messages):
        silent = [*messages[:place], message.model_copy(update={"content": ""}), *messages[place + 1 :]]
        rest = codec.prompt_ids(silent)
        begin = _alike(whole, rest)
        end = len(whole) - _alike(whole[begin:][::-1], rest[begin:][::-1])
        found.append((begin, end))
    return found


def _alike(first: Sequence[int], second: Sequence[int]) -> int:
    """How many ids both begin with."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(first), len(second)))
