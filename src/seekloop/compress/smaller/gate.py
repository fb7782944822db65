"""The bound that a smaller model must keep: it is another model, so what is proven is how far it is from its parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from seekloop.compress.smaller.spec import AllowSpec
from seekloop.model.codec import View
from seekloop.runtime.train.batching import collate, labelled, share_out
from seekloop.runtime.train.loss import label_logits
from seekloop.runtime.train.objectives.distil import divergences
from seekloop.runtime.train.targets import Targets, put_together
from seekloop.system import digests
from seekloop.system.errors import ModelError

__all__ = ["check", "kl"]


def check(made: nn.Module, targets: Mapping[View, Targets], *, allow: AllowSpec, parent: str, pad: int) -> float:
    """The mean KL(parent, made) of a labelled token, in nats.

    Raises:
        ModelError: it is more than is allowed, or no number.
    """
    found = kl(made, targets, pad=pad)
    if not found <= allow.kl:
        raise ModelError("compress.too_far", id=digests.short(parent), kl=f"{found:.3f}", allowed=f"{allow.kl:g}")
    return found


@torch.no_grad()
def kl(made: nn.Module, targets: Mapping[View, Targets], *, pad: int, budget: int = 1024) -> float:
    """The mean over the labelled tokens of all views, a lower bound that is tight where `k` is large."""
    views: Sequence[View] = list(targets)
    sums, count = 0.0, 0
    for part in share_out(views, budget=budget, sharing=True, workers=1)[0]:
        batch = collate(part, pad=pad, sharing=True)
        known, begin = put_together(targets, part), 0
        for logits in label_logits(made, batch):
            here = slice(begin, begin + len(logits))
            theirs = Targets(ids=known.ids[here], log_probs=known.log_probs[here], rest=known.rest[here])
            sums += float(divergences(logits, theirs, kind="forward").double().sum())
            begin = here.stop
        count += sum(labelled(view) for view in part)
    return sums / max(1, count)
