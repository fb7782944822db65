"""The bitsandbytes form: int8 linear layers in the layout of LLM.int8(), written and read back without bitsandbytes."""

from __future__ import annotations

import torch
from torch import Tensor

from seekloop.compress.method import Made, Work
from seekloop.compress.packed.folder import as_half, half_types, write_folder
from seekloop.compress.packed.layers import is_target
from seekloop.compress.packed.spec import BitsAndBytesMethod
from seekloop.compress.survival import Survival
from seekloop.compress.weights import Weights, open_weights
from seekloop.runtime.llm_int8 import int8_config, int8_tensors, read_int8
from seekloop.system.errors import ModelError

__all__ = ["make_bitsandbytes"]

_step = 0.5 / 127
"""Half a step of a row, as a share of its largest magnitude."""
_single = 1e-6
"""What fp32 rounds on the way, as a share of the same."""


def make_bitsandbytes(method: BitsAndBytesMethod, work: Work) -> Made:
    """The bitsandbytes form.

    Raises:
        ModelError: the model is a mixture of experts, a value is too large for the type, the adapter would be lost, or
            what was written is not what was computed.
    """
    stored = half_types[method.dtype]
    tensors: dict[str, Tensor] = {}
    with (
        open_weights(work.parent, store=work.ctx.store) as weights,
        work.ctx.progress.task("bitsandbytes int8", total=len(weights.names)) as task,
    ):
        if any(name.endswith(".mlp.gate.weight") for name in weights.names):
            raise ModelError("compress.experts_in_full", kind=str(weights.config.get("model_type")))
        for name in weights.names:
            source = torch.from_numpy(weights.read(name))
            if is_target(name, weights.shape(name)):
                tensors |= int8_tensors(name.removesuffix(".weight"), source)
            else:
                tensors[name] = as_half(source, name, stored=stored)
            task.advance()
        told = int8_config(threshold=method.threshold, ignore=["lm_head"])
        write_folder(weights, tensors, folder=work.folder, stored=stored, quantised=told)
        task.note("reading it back")
        _prove(work, weights)
        parameters = sum(int(torch.Size(weights.shape(name)).numel()) for name in weights.names)
    return Made(form="bitsandbytes", precision="int8", parameters=parameters)


def _prove(work: Work, weights: Weights) -> None:
    """Each value is within half a step of its source, and an adapter's change is still there.

    Raises:
        ModelError: it is not.
    """
    survival = Survival()
    for name, value in read_int8(work.folder):
        source = torch.from_numpy(weights.read(f"{name}.weight"))
        error = value - source
        if not bool((error.abs() <= source.abs().amax(1, keepdim=True) * (_step + _single)).all()):
            raise ModelError("compress.not_the_same", name=name, form="bitsandbytes")
        change = weights.change(f"{name}.weight")
        if change is not None:
            survival.add(change, error.numpy())
    if survival.is_lost:
        raise ModelError("compress.adapter_lost", precision="int8", share=f"{max(0.0, survival.share):.0%}")
