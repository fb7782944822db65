"""Half precision: the checkpoint as a plain transformers folder."""

from __future__ import annotations

import torch

from seekloop.compress.method import Made, Work
from seekloop.compress.packed.folder import as_half, half_types, write_folder
from seekloop.compress.packed.spec import CastMethod
from seekloop.compress.survival import Survival
from seekloop.compress.weights import open_weights
from seekloop.system.errors import ModelError

__all__ = ["make_cast"]


def make_cast(method: CastMethod, work: Work) -> Made:
    """The full form in bf16 or fp16.

    Raises:
        ModelError: a value is too large for the type, or an adapter would be lost in it.
    """
    stored, survival, tensors = half_types[method.dtype], Survival(), {}
    with (
        open_weights(work.parent, store=work.ctx.store) as weights,
        work.ctx.progress.task(f"cast {method.dtype}", total=len(weights.names)) as task,
    ):
        for name in weights.names:
            source = torch.from_numpy(weights.read(name))
            tensors[name] = as_half(source, name, stored=stored)
            change = weights.change(name)
            if change is not None:
                survival.add(change, (tensors[name].float() - source).numpy())
            task.advance()
        if survival.is_lost:
            raise ModelError("compress.adapter_lost", precision=method.dtype, share=f"{max(0.0, survival.share):.0%}")
        write_folder(weights, tensors, folder=work.folder, stored=stored)
    parameters = sum(tensor.numel() for tensor in tensors.values())
    return Made(form="full", precision=method.dtype, parameters=parameters)
