"""Learning from a teacher: what it would say at each labelled token, and what it holds in its hidden states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch
from seekloop.runtime.train.loss import labels_of, loss_by, states_by_layer
from seekloop.runtime.train.objectives.objective import Part, Score, Whole, means, trained_tokens
from seekloop.runtime.train.targets import Targets, put_together
from seekloop.system import seeds

__all__ = ["Distil", "Divergence", "Hidden", "divergences"]

Divergence = Literal["forward", "reverse", "both"]
_projection = "distil_projection"


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """States of the student that are drawn to those of a teacher in this process."""

    teacher: nn.Module
    """Only read."""
    pairs: tuple[tuple[int, int], ...]
    """Layer of the student -> layer of the teacher, each from 0."""
    weight: float


@dataclass(frozen=True, kw_only=True)
class Distil:
    """Hinton et al. (2015): `share T^2 D + (1 - share) CE`, a mean over the labelled tokens of a step.

    D compares the distributions over the teacher's likeliest tokens and one place for all others, at temperature T:
    never more than over the whole vocabulary, and the same where the teacher's list lacks only one token. `forward` is
    KL(teacher, student), `reverse` KL(student, teacher) (Gu et al. 2024), `both` their mean.

    With `hidden`, the mean squared difference of projected states is added, each relative to the teacher's mean square.
    """

    targets: Mapping[View, Targets]
    divergence: Divergence = "forward"
    temperature: float = 1.0
    share: float = 0.5
    hidden: Hidden | None = None
    together: bool = False

    def whole(self, views: Sequence[View], score: Score) -> Whole:
        """Divide by labelled tokens."""
        return Whole(total=trained_tokens(views))

    def part(self, model: nn.Module, batch: Batch, *, whole: Whole) -> Part:
        """The share of a micro-batch in the mean."""
        targets, labels = put_together(self.targets, batch.views), labels_of(batch)
        sums = {"divergence": 0.0, "cross_entropy": 0.0}

        def judge(logits: Tensor, here: slice) -> Tensor:
            known = Targets(ids=targets.ids[here], log_probs=targets.log_probs[here], rest=targets.rest[here])
            apart = divergences(logits, known, kind=self.divergence, temperature=self.temperature).sum()
            right = nn.functional.cross_entropy(logits, labels[here], reduction="sum")
            sums["divergence"] += float(apart.detach())
            sums["cross_entropy"] += float(right.detach())
            return self.share * self.temperature**2 * apart + (1 - self.share) * right

        if self.hidden is None:
            loss = loss_by(model, batch, judge=judge)
        else:
            last, layers = states_by_layer(model, batch)
            loss = loss_by(model, batch, judge=judge, states=last)
            off = self._off(model, batch, layers=layers, hidden=self.hidden)
            sums["hidden"] = float(off.detach())
            loss = loss + self.hidden.weight * off
        count = float(len(targets.rest))
        return Part(loss=loss / whole.total, figures={name: (value, count) for name, value in sums.items()})

    def summary(self, loss: float, figures: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """Each term by itself, a token."""
        return means(figures)

    def attach(self, model: nn.Module, *, seed: int) -> None:
        """A projection of states, where the student's are of another width than the teacher's."""
        if self.hidden is None or _projection in dict(model.named_children()):
            return
        own, wanted = (_width(one) for one in (model, self.hidden.teacher))
        if own != wanted:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seeds.derive(seed, "distil", "projection"))
                model.add_module(_projection, nn.Linear(own, wanted, bias=False))

    def detach(self, model: nn.Module) -> None:
        """Take away what `attach` added: it is no part of the student."""
        if _projection in dict(model.named_children()):
            delattr(model, _projection)

    def _off(self, model: nn.Module, batch: Batch, *, layers: Sequence[Tensor], hidden: Hidden) -> Tensor:
        with torch.no_grad():
            theirs = states_by_layer(hidden.teacher, batch)[1]
        project = dict(model.named_children()).get(_projection, nn.Identity())
        total = layers[0].new_zeros(())
        for mine, wanted in hidden.pairs:
            off = (project(layers[mine]) - theirs[wanted]).square().mean(1)
            total = total + (off / theirs[wanted].square().mean(1)).sum()
        return total / len(hidden.pairs)


def divergences(logits: Tensor, targets: Targets, *, kind: Divergence, temperature: float = 1.0) -> Tensor:
    """How far a student is from its teacher at each position, in nats, [n].

    Args:
        logits: [n, vocabulary], the student's.
        targets: [n] positions, at the same temperature.
        kind: see `Distil`.
        temperature: logits are divided by it.
    """
    scaled = logits / temperature
    norm = scaled.logsumexp(1, keepdim=True)
    known = targets.log_probs > float("-inf")
    taken = torch.where(known, targets.ids, targets.ids[:, :1])
    mine = torch.cat(
        [
            scaled.gather(1, taken) - norm,
            scaled.scatter(1, taken, float("-inf")).logsumexp(1, keepdim=True) - norm,
        ],
        1,
    )
    theirs = torch.cat([targets.log_probs.masked_fill(~known, 0.0), targets.rest[:, None]], 1)
    counted = torch.cat([known, torch.ones_like(known[:, :1])], 1)
    ahead = torch.where(counted, theirs.exp() * (theirs - mine), 0.0).sum(1)
    back = torch.where(counted, mine.exp() * (mine - theirs), 0.0).sum(1)
    match kind:
        case "forward":
            return ahead
        case "reverse":
            return back
        case "both":
            return (ahead + back) / 2


def _width(model: nn.Module) -> int:
    return int(model.get_input_embeddings().weight.shape[1])
