"""What training on a row would change: gradients of the adapter's weights, sketched to a length that can be kept.

Pruthi et al. (2020, TracIn) score a training row by the product of its gradient with that of the answer. `design/
attribution.md` says which gradients, and what was measured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec, View
from seekloop.runtime import models
from seekloop.runtime.train.batching import collate
from seekloop.runtime.train.loss import summed_loss
from seekloop.runtime.train.methods.lora import Lora, LoraConfig, LoraLinear
from seekloop.runtime.train.methods.method import put_values
from seekloop.runtime.train.state import snapshots_in
from seekloop.system import seeds
from seekloop.system.errors import ModelError

__all__ = ["WIDTH", "Gradients"]

WIDTH = 16_384
"""Numbers that are kept of a gradient."""
_snapshots = 3
"""Earlier moments that are looked at beside the end."""
_layer = re.compile(r"\.(\d+)\.")
_probe_rank = 8
"""Of the matrices that a model without a LoRA adapter is given for the purpose."""


class Gradients:
    """Sketches of the gradients of one checkpoint.

    An adapter's own B matrices are looked at, those of the last third of its layers. Where there is none (full
    fine-tuning, prefixes), every linear layer gets one that is zero: it changes nothing, and its gradient is a random
    projection of the layer's own.

    Args:
        checkpoint: one that torch runs.
        store: where it, and its base, are.

    Raises:
        ModelError: the checkpoint cannot be opened.
        ArtifactError: it, or its base, is not in the store.
    """

    def __init__(self, checkpoint: Checkpoint, *, store: Store) -> None:
        self.codec: Codec = models.codec_of(checkpoint, store=store)
        self.model: nn.Module = models.load(checkpoint, store=store)
        self.moments = (*_spread([path.name for path in snapshots_in(store.folder(checkpoint.id))]), None)
        """Files of epochs that the run kept its adapter of, in their order, then None: as it was in the end."""
        self._weights = _looked_at(self.model, self.codec)
        self._folder = store.folder(checkpoint.id)
        self._adapter = _adapter(self.model) if len(self.moments) > 1 else {}
        self._end = {name: value.detach().clone() for name, value in self._adapter.items()}
        self._places = [_places(name, weight) for name, weight in self._weights.items()]

    def take(self, moment: str | None) -> None:
        """Have the adapter be as it was at one of `moments`.

        Raises:
            ModelError: the file holds another adapter.
        """
        if not self._adapter:
            return
        values = self._end if moment is None else load_file(self._folder / moment)
        if {name: value.shape for name, value in values.items()} != {n: v.shape for n, v in self._end.items()}:
            raise ModelError("evaluate.explain_other_adapter", file=moment)
        put_values(self._adapter, values)

    def sketch(self, views: Sequence[View]) -> tuple[NDArray[np.float32], float]:
        """The sketch of the gradient of the views' loss, [WIDTH], of length 1, and the gradient's own length.

        Labelled tokens count alike. A row whose gradient vanishes (its loss is 0) has a sketch of zeros.
        """
        for weight in self._weights.values():
            weight.requires_grad_(True)
        total: list[Tensor] = []
        for view in views:
            loss = summed_loss(self.model, collate([view], pad=self.codec.pad_id, sharing=False))
            grads = torch.autograd.grad(loss, list(self._weights.values()))
            total = list(grads) if not total else [a.add_(b) for a, b in zip(total, grads, strict=True)]
        for weight in self._weights.values():
            weight.requires_grad_(False)
        sketch = torch.zeros(WIDTH)
        for grad, (bucket, sign) in zip(total, self._places, strict=True):
            sketch.index_add_(0, bucket, grad.flatten() * sign)
        length = float(torch.stack([grad.norm() for grad in total]).norm())
        size = float(sketch.norm())
        found: NDArray[np.float32] = (sketch / size if size else sketch).numpy()
        return found, length


def _spread(names: Sequence[str]) -> list[str]:
    """At most so many of them, evenly: each costs a gradient of every row."""
    if len(names) <= _snapshots:
        return list(names)
    return [names[round(place)] for place in np.linspace(0, len(names) - 1, _snapshots)]


def _adapter(model: nn.Module) -> dict[str, nn.Parameter]:
    """All weights of the LoRA layers, by the names that training has for them."""
    return {
        f"{name}.{own}": value
        for name, layer in model.named_modules()
        if isinstance(layer, LoraLinear)
        for own, value in layer.named_parameters(recurse=False)
        if own.startswith("lora_")
    }


def _looked_at(model: nn.Module, codec: Codec) -> dict[str, nn.Parameter]:
    """The B matrices of the last layers by name; made where there are none."""
    if not any(isinstance(layer, LoraLinear) for layer in model.modules()):
        config = LoraConfig(rank=_probe_rank, alpha=_probe_rank, targets=codec.card.lora_targets)
        Lora(config=config).apply(model, seed=0)
        model.eval().requires_grad_(False)
    adapted = {name: layer.lora_B for name, layer in model.named_modules() if isinstance(layer, LoraLinear)}
    numbers = sorted({_number(name) for name in adapted})
    first = numbers[len(numbers) * 2 // 3]
    return {name: weight for name, weight in adapted.items() if _number(name) >= first}


def _number(name: str) -> int:
    """Of the decoder layer that a module belongs to; 0 for those that belong to none."""
    found = _layer.search(name)
    return int(found[1]) if found else 0


def _places(name: str, weight: nn.Parameter) -> tuple[Tensor, Tensor]:
    """Where each number of a gradient goes, and with which sign: a count sketch (Charikar, Chen, Farach-Colton 2002).

    Products of sketches are those of the gradients, give or take 1 / sqrt(WIDTH) of their lengths.
    """
    generator = torch.Generator().manual_seed(seeds.derive(0, "evaluate", "sketch", name))
    bucket = torch.randint(0, WIDTH, (weight.numel(),), generator=generator, dtype=torch.int32)
    sign = torch.randint(0, 2, (weight.numel(),), generator=generator, dtype=torch.int8)
    return bucket, sign * 2 - 1
