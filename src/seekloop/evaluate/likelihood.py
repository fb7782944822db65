"""Log-probabilities of labelled tokens under a checkpoint, in batches, on torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.evaluate.seen import Seen
from seekloop.model.codec import View
from seekloop.runtime.models import load
from seekloop.runtime.quantised import unpack
from seekloop.runtime.train.batching import collate, share_out
from seekloop.runtime.train.classifiers import predict, read_classes
from seekloop.runtime.train.loss import log_probs
from seekloop.system import digests, settings
from seekloop.system.errors import EngineError

__all__ = ["Scorer", "class_probabilities", "log_likelihoods", "open_scorer"]

Scorer = Callable[[Sequence[View]], Mapping[str, float]]
"""Views -> the summed log-probability (nats) of the labelled tokens of all views of a row, by `View.row`."""

_block = 256
_budget = 4096
"""Padded tokens that go through the model together."""


def open_scorer(seen: Seen) -> Scorer:
    """The checkpoint, ready to score.

    Raises:
        EngineError: it is a classifier, which writes no tokens.
        ArtifactError: it, or its base, is not in the store.
    """
    checkpoint, store = seen.inputs.checkpoint, seen.ctx.store
    if read_classes(store.folder(checkpoint.id)) is not None:
        raise EngineError("evaluate.passes_need_tokens", id=digests.short(checkpoint.id))
    torch.set_num_threads(seen.spec.threads or settings.threads())
    model = unpack(load(checkpoint, store=store))
    return lambda views: log_likelihoods(model, views, pad=seen.codec.pad_id, ctx=seen.ctx)


def class_probabilities(seen: Seen) -> list[float] | None:
    """The probability that a classifier gives to each answer's label; None: the checkpoint is no classifier.

    With several labels a row it is that of exactly these: each one's own, or what is left of it, multiplied.
    """
    checkpoint, store = seen.inputs.checkpoint, seen.ctx.store
    classes = read_classes(store.folder(checkpoint.id))
    if classes is None:
        return None
    torch.set_num_threads(seen.spec.threads or settings.threads())
    model = unpack(load(checkpoint, store=store))
    prompts = [seen.codec.prompt_ids(one.asked, tools=one.row.tools) for one in seen.questions]
    found = []
    for scores in predict(model, prompts, pad=seen.codec.pad_id):
        each = scores.double().sigmoid() if classes.several else scores.double().softmax(0)
        best = torch.maximum(each, 1 - each).prod() if classes.several else each.max()
        found.append(float(best))
    return found


def log_likelihoods(model: nn.Module, views: Sequence[View], *, pad: int, ctx: RunContext) -> dict[str, float]:
    """The summed log-probability of the labelled tokens of each row's views, added up in double precision.

    Args:
        model: in eval mode.
        views: in any order; one row may have several, with each of its tokens labelled once.
        pad: id to fill batches with.
        ctx: shows how far it is.
    """
    found = {view.row: 0.0 for view in views}
    ordered = sorted(views, key=lambda view: len(view.ids))
    with ctx.progress.task("likelihood", total=len(views)) as bar, torch.no_grad():
        for begin in range(0, len(ordered), _block):
            (hand,) = share_out(ordered[begin : begin + _block], budget=_budget, sharing=True, workers=1)
            for part in hand:
                scored = log_probs(model, collate(part, pad=pad, sharing=True))
                sums = torch.zeros(len(part), dtype=torch.float64)
                sums.index_add_(0, scored.view, scored.values.double())
                for view, value in zip(part, sums.tolist(), strict=True):
                    found[view.row] += value
                bar.advance(len(part))
    return found
