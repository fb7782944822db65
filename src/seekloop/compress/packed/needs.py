"""What calibration needs in memory, counted before it begins."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seekloop.compress.packed.calibration import Sample
from seekloop.compress.packed.layers import is_target
from seekloop.compress.weights import Weights
from seekloop.model.memory import LIBRARIES
from seekloop.runtime.train.choices import memory_bytes
from seekloop.system.errors import ModelError
from seekloop.system.progress import Progress

__all__ = ["check_memory", "needed"]

_sharing = ("k_proj", "v_proj", "up_proj", "kv_a_proj_with_mqa")
"""Layers whose inputs are those of the layer before them."""


def needed(weights: Weights, samples: Sequence[Sample], *, bits: int) -> dict[str, int]:
    """Bytes by part: the model in fp32, what is written, hidden states of all calibration tokens (before and behind a
    layer), second moments of the largest layer, and the process itself."""
    sizes = {name: weights.shape(name) for name in weights.names}
    targets = {name: shape for name, shape in sizes.items() if is_target(name, shape)}
    linear = sum(rows * columns for rows, columns in targets.values())
    whole = sum(math.prod(shape) for shape in sizes.values())
    moments: dict[str, int] = {}
    for name, (_, columns) in targets.items():
        layer = ".".join(name.split(".")[:3])
        if name.split(".")[-2] not in _sharing:
            moments[layer] = moments.get(layer, 0) + 4 * columns * columns
    tokens = sum(sample.ids.numel() for sample in samples)
    return {
        "libraries": LIBRARIES,
        "model": 4 * whole,
        "written": linear * bits // 8 + 2 * (whole - linear),
        "states": 2 * 4 * tokens * int(weights.config["hidden_size"]),
        "moments": max(moments.values()),
    }


def check_memory(weights: Weights, samples: Sequence[Sample], *, bits: int, method: str, progress: Progress) -> None:
    """Say how much will be needed.

    Raises:
        ModelError: more than this process may have.
    """
    parts = needed(weights, samples, bits=bits)
    least, limit = sum(parts.values()), memory_bytes()
    listed = ", ".join(f"{name} {size / 2**20:,.0f}" for name, size in parts.items())
    rows, tokens = sum(len(sample.ids) for sample in samples), sum(int(sample.real.sum()) for sample in samples)
    progress.say(f"{method}: {rows} calibration rows, {tokens:,} tokens; about {least / 2**20:,.0f} MiB ({listed})")
    if least > limit:
        raise ModelError(
            "compress.little_memory", method=method, needed=f"{least / 2**30:.1f}", limit=f"{limit / 2**30:.1f}"
        )
