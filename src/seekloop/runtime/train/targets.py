"""What a teacher would say at each labelled token: its likeliest tokens, computed once and kept on disk.

A chunk of views is a file named by what it is about, written whole or not at all: a pass that is killed goes on where
it was, and a second student finds everything. A labelled token takes 6 bytes for each kept token and 4 for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from seekloop.artifact.context import RunContext
from seekloop.model.codec import View
from seekloop.runtime.train.batching import collate, labelled, share_out
from seekloop.runtime.train.loss import label_logits
from seekloop.system import digests
from seekloop.system.files import disk_full_is_a_sentence, write_whole

__all__ = ["Targets", "put_together", "teacher_targets"]

_chunk = 64
"""Views that are written together: the same chunks after a crash, so the same bits."""
_least = -30.0
"""Log-probability below which the rest of the vocabulary is not told from nothing."""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Of some labelled tokens. Probabilities are those at the temperature that was asked for."""

    ids: Tensor
    """[tokens, k], int64."""
    log_probs: Tensor
    """[tokens, k], fp32; -inf where fewer than k are known."""
    rest: Tensor
    """[tokens], fp32: log-probability of all other tokens together."""

    @classmethod
    def joined(cls, parts: Sequence[Targets]) -> Targets:
        """One after another."""
        return cls(
            ids=torch.cat([part.ids for part in parts]),
            log_probs=torch.cat([part.log_probs for part in parts]),
            rest=torch.cat([part.rest for part in parts]),
        )

    @classmethod
    def certain(cls, ids: Sequence[int], *, k: int) -> Targets:
        """Of tokens that a teacher gave and said no more about: all the probability is theirs."""
        wanted = torch.zeros(len(ids), k, dtype=torch.int64)
        wanted[:, 0] = torch.tensor(ids)
        log_probs = torch.full((len(ids), k), float("-inf"))
        log_probs[:, 0] = 0.0
        return cls(ids=wanted, log_probs=log_probs, rest=torch.full((len(ids),), _least))


def put_together(found: Mapping[View, Targets], views: Iterable[View]) -> Targets:
    """Those of several views, in their order."""
    return Targets.joined([found[view] for view in views])


def teacher_targets(
    model: nn.Module,
    views: Sequence[View],
    *,
    folder: Path,
    k: int,
    temperature: float,
    budget: int,
    pad: int,
    ctx: RunContext,
) -> dict[View, Targets]:
    """The targets of every view.

    Args:
        model: the teacher, in eval mode.
        views: in a fixed order.
        folder: of this teacher, k and temperature; chunks that it holds are taken from there.
        k: likeliest tokens that are kept of each position, fewer than the vocabulary has.
        temperature: logits are divided by it.
        budget: padded tokens that go through the model at one time.
        pad: id to fill with.
        ctx: its progress shows how far it is.

    Raises:
        ArtifactError: the disk is full; what was written before stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[View, Targets] = {}
    with ctx.progress.task("teacher", total=len(views)) as task:
        for part in (views[begin : begin + _chunk] for begin in range(0, len(views), _chunk)):
            name = digests.of_json([[view.ids, view.labels] for view in part]).removeprefix("sha256:")[:32]
            file = folder / f"{name}.safetensors"
            if not file.is_file():
                made = _asked(model, part, k=k, temperature=temperature, budget=budget, pad=pad)
                with disk_full_is_a_sentence(file):
                    write_whole(file, _packed(Targets.joined([made[view] for view in part])))
            counts = [labelled(view) for view in part]
            found |= zip(part, _split(_unpacked(file.read_bytes()), counts), strict=True)
            task.advance(len(part))
    return found


def _asked(
    model: nn.Module, views: Sequence[View], *, k: int, temperature: float, budget: int, pad: int
) -> dict[View, Targets]:
    found: dict[View, Targets] = {}
    for part in share_out(views, budget=budget, sharing=True, workers=1)[0]:
        batch = collate(part, pad=pad, sharing=True)
        whole = Targets.joined(
            [_likeliest(logits, k, temperature=temperature) for logits in label_logits(model, batch)]
        )
        found |= zip(part, _split(whole, [labelled(view) for view in part]), strict=True)
    return found


def _likeliest(logits: Tensor, k: int, *, temperature: float) -> Targets:
    """[n, vocabulary] -> the k largest, and the rest: an exact sum, where `1 - sum` would be rounded away."""
    scaled = logits.float() / temperature
    norm = scaled.logsumexp(1, keepdim=True)
    top, ids = scaled.topk(k, dim=1)
    rest = scaled.scatter(1, ids, float("-inf")).logsumexp(1) - norm.squeeze(1)
    return Targets(ids=ids, log_probs=top - norm, rest=rest.clamp_min(_least))


def _packed(targets: Targets) -> bytes:
    packed = {
        "ids": targets.ids.to(torch.int32),
        "log_probs": targets.log_probs.to(torch.float16),
        "rest": targets.rest.to(torch.float32),
    }
    return save({name: value.contiguous() for name, value in packed.items()})


def _unpacked(content: bytes) -> Targets:
    held = load(content)
    return Targets(ids=held["ids"].long(), log_probs=held["log_probs"].float(), rest=held["rest"])


def _split(whole: Targets, counts: Sequence[int]) -> list[Targets]:
    parts = (part.split(list(counts)) for part in (whole.ids, whole.log_probs, whole.rest))
    return [Targets(ids=ids, log_probs=log_probs, rest=rest) for ids, log_probs, rest in zip(*parts, strict=True)]
