"""Products of linear layers in bf16 where that is asked for; weights that are trained, and all else, stay fp32.

A bf16 product keeps 8 significant bits of each factor and of the result, and adds up in fp32. Norms, attention, the
head, the loss, trained weights, gradients and moments are fp32 as before.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from seekloop.runtime.linear import Linear, product
from seekloop.system import digests, provenance
from seekloop.system.files import write_whole

__all__ = ["Precision", "fastest", "halve"]

Precision = Literal["fp32", "bf16"]

_worthwhile = 1.2
"""Speed-up of the products from which on bf16 is taken: below it, conversions around them eat it up."""
_rounds, _tokens, _inputs, _outputs = 15, 256, 576, 1536


def halve(model: nn.Module, *, keep: bool) -> None:
    """Make the products of the model's linear layers bf16 ones.

    Args:
        model: with its method applied; parameters that require gradients stay fp32.
        keep: whether frozen weights must stay fp32 too, since they are written again; else they are stored in bf16,
            which halves their memory.
    """
    head = model.get_output_embeddings()
    for layer in model.modules():
        if not isinstance(layer, Linear) or layer is head:
            continue
        if keep or layer.weight.requires_grad:
            layer.half = True
        else:
            layer.weight = nn.Parameter(layer.weight.detach().to(torch.bfloat16), requires_grad=False)


def fastest(record: Path) -> tuple[Precision, float]:
    """The precision in which this machine does products faster, and how many times as fast bf16 is.

    Measured once on a machine and kept in `record`, so that the same spec gives the same bits there ever after; remove
    the file to measure again.
    """
    machine = digests.of_json([provenance.hardware(), torch.__version__]).removeprefix("sha256:")[:16]
    known = _read(record)
    if machine not in known:
        known[machine] = round(_speed_up(), 2)
        record.parent.mkdir(parents=True, exist_ok=True)
        write_whole(record, digests.canonical(known))
    return ("bf16" if known[machine] >= _worthwhile else "fp32"), known[machine]


def _read(record: Path) -> dict[str, float]:
    """What was measured here before; a file that cannot be read is written anew."""
    try:
        return {str(key): float(value) for key, value in json.loads(record.read_bytes()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _speed_up() -> float:
    """Best time of an fp32 product over that of a bf16 one, conversions included, taken in turns."""
    x, weight = torch.ones(_tokens, _inputs), torch.ones(_outputs, _inputs)
    weights = (weight, weight.to(torch.bfloat16))
    best = [float("inf"), float("inf")]
    with torch.no_grad():
        for _ in range(_rounds):
            for index, one in enumerate(weights):
                started = time.perf_counter()
                product(x, one)
                best[index] = min(best[index], time.perf_counter() - started)
    return best[0] / best[1]
