"""AdamW over the trained parameters, and its memory of earlier gradients as named tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seekloop.system.errors import TrainError

__all__ = ["moments", "optimizer_over", "put_moments"]

_named = 3


def optimizer_over(
    parameters: Mapping[str, nn.Parameter], *, decay: float, rate_factors: Mapping[str, float]
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019); matrices decay, norms and biases do not.

    Args:
        parameters: those to train.
        decay: of matrices.
        rate_factors: last part of a parameter's name -> `rate_factor` of its group; 1 for all others.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, value in parameters.items():
        factor = rate_factors.get(name.rpartition(".")[2], 1.0)
        groups.setdefault((decay if value.ndim > 1 else 0.0, factor), []).append(value)
    given = [{"params": values, "weight_decay": own, "rate_factor": factor} for (own, factor), values in groups.items()]
    return torch.optim.AdamW(given, lr=0.0, fused=True)


def moments(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The optimizer's tensors under the parameters' names: `exp_avg:NAME`, `exp_avg_sq:NAME`, `step:NAME`."""
    return {f"{key}:{name}": part for name, value in parameters.items() for key, part in optimizer.state[value].items()}


def put_moments(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], *, saved: Mapping[str, Tensor]
) -> None:
    """Begin with the moments in `saved`.

    Raises:
        TrainError: they are those of other parameters than the ones that are trained.
    """
    split = {key: key.partition(":") for key in saved}
    fits = all(
        name in parameters and (kind == "step" or tensor.shape == parameters[name].shape)
        for (kind, _, name), tensor in zip(split.values(), saved.values(), strict=True)
    )
    if not fits:
        others = sorted({name for _, _, name in split.values()} - parameters.keys())
        raise TrainError("train.moments_of_others", names=", ".join(others[:_named]) or "other shapes")
    for key, (kind, _, name) in split.items():
        optimizer.state[parameters[name]][kind] = saved[key].clone()
