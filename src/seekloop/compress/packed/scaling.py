"""Scales moved from activations into weights without changing the model: AWQ's (Lin et al. 2023) and SmoothQuant's.

What comes out of a norm, or of the linear layer before, is divided column by column, and the layers that take it in are
multiplied by the same. Both are searched or computed from second moments and peaks of the calibration inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seekloop.compress.packed.layers import Moment, Moments, Target
from seekloop.runtime.rounding import Grid, codes_of, steps_of, values_of

__all__ = ["Link", "fold", "links_of", "output_error", "scale_awq", "scale_smooth"]

_exponents = tuple(0.05 * index for index in range(20))
_least = 1e-4


@dataclass(frozen=True, kw_only=True)
class Link:
    """Where a factor can be moved: out of some rows, into the columns of the layers behind."""

    rows: tuple[Tensor, ...]
    """Weights whose rows, or numbers, make what comes out; all are divided."""
    takers: tuple[Target, ...]
    """Linear layers that take it in; all are multiplied."""
    routers: tuple[Tensor, ...] = ()
    """Weights that take it in too and are not rounded."""
    norm: bool = True
    """Whether it comes out of a norm."""


def links_of(layer: nn.Module, prefix: str, *, targets: Sequence[Target]) -> Iterator[Link]:
    """The links inside a decoder layer of the families that are known here.

    Args:
        layer: a decoder layer.
        prefix: its name and a dot.
        targets: all its linear layers.
    """
    by_name = {target.name.removeprefix(prefix): target for target in targets}
    parts = dict(layer.named_modules())

    def takers(*names: str) -> tuple[Target, ...]:
        return tuple(by_name[name] for name in names if name in by_name)

    attention = takers(
        *(f"self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "q_a_proj", "kv_a_proj_with_mqa"))
    )
    into_mlp = tuple(
        target for name, target in by_name.items() if name.startswith("mlp.") and not name.endswith("down_proj")
    )
    routers = (parts["mlp.gate"].weight.data,) if "mlp.gate" in parts else ()
    yield Link(rows=(parts["input_layernorm"].weight.data,), takers=_of_width(parts["input_layernorm"], attention))
    yield Link(rows=(parts["post_attention_layernorm"].weight.data,), takers=into_mlp, routers=routers)
    for norm, name in (
        ("self_attn.q_a_layernorm", "self_attn.q_b_proj"),
        ("self_attn.kv_a_layernorm", "self_attn.kv_b_proj"),
    ):
        if isinstance(parts.get(norm), nn.Module) and name in by_name:
            yield Link(rows=(parts[norm].weight.data,), takers=takers(name))
    for name, down in by_name.items():
        up = by_name.get(f"{name.removesuffix('down_proj')}up_proj")
        if name.endswith("down_proj") and up is not None:
            yield Link(rows=(up.weight, *_bias(parts.get(up.name.removeprefix(prefix)))), takers=(down,), norm=False)
    value, out = by_name.get("self_attn.v_proj"), by_name.get("self_attn.o_proj")
    if value is not None and out is not None and len(value.weight) == out.weight.shape[1]:
        yield Link(rows=(value.weight, *_bias(parts["self_attn.v_proj"])), takers=(out,), norm=False)


def _of_width(norm: nn.Module, targets: tuple[Target, ...]) -> tuple[Target, ...]:
    return tuple(target for target in targets if target.weight.shape[1] == len(norm.weight))


def _bias(layer: nn.Module | None) -> tuple[Tensor, ...]:
    return (layer.bias.data,) if isinstance(layer, nn.Linear) and layer.bias is not None else ()


def scale_awq(link: Link, moments: Moments, *, grid: Grid, stored: torch.dtype) -> None:
    """Fold in `s = rms(x) ** a` of the one exponent of 20 whose rounded layers come nearest to what they were.

    The paper weighs columns by the mean magnitude of their inputs; the root of the mean square is at hand here. With
    exponent 0 nothing is scaled, so that by this measure no link gets worse.
    """
    seen = [target for target in link.takers if moments[target.name].count]
    if not seen:
        return
    total = torch.stack([moments[target.name].products.diagonal() for target in seen]).sum(0)
    count = sum(moments[target.name].count for target in seen)
    rms = (total / count).sqrt().clamp_min(_least)

    def loss(exponent: float) -> float:
        scales, lost = _balanced(rms**exponent), 0.0
        for target in seen:
            weight, moment = target.weight * scales, moments[target.name]
            importance = moment.products.diagonal() / scales.square()
            steps = steps_of(weight, grid, stored=stored, importance=importance)
            rounded = values_of(codes_of(weight, grid, steps=steps), steps) / scales
            lost += float(output_error(rounded - target.weight, moment))
        return lost

    best = min(_exponents, key=loss)
    fold(link, _balanced(rms**best), moments=moments)


def scale_smooth(link: Link, moments: Moments, *, strength: float) -> None:
    """Fold in `s = max|x| ** strength / max|w| ** (1 - strength)` (Xiao et al. 2022, equation 4), behind norms only."""
    seen = [target for target in link.takers if moments[target.name].count]
    if not seen or not link.norm:
        return
    inputs = torch.stack([moments[target.name].peaks for target in seen]).amax(0)
    weights = torch.stack([target.weight.abs().amax(0) for target in link.takers]).amax(0)
    scales = inputs.clamp_min(_least) ** strength / weights.clamp_min(_least) ** (1 - strength)
    fold(link, scales.clamp_min(_least), moments=moments)


def output_error(difference: Tensor, moment: Moment) -> Tensor:
    """Sum of squares of what `difference` [rows, columns] makes of the inputs that calibration saw."""
    return (difference @ moment.products).mul_(difference).sum()


def _balanced(scales: Tensor) -> Tensor:
    """Scales about 1, none so small that its column vanishes."""
    return (scales / (scales.max() * scales.min()).sqrt()).clamp_min(_least)


def fold(link: Link, scales: Tensor, *, moments: Moments) -> None:
    """Divide what makes the columns by `scales` [width] and multiply what takes them in; `moments` follow."""
    for weight in link.rows:
        weight.div_(scales if weight.dim() == 1 else scales.unsqueeze(1))
    for weight in (*link.routers, *(target.weight for target in link.takers)):
        weight.mul_(scales)
    renewed: Mapping[int, Moment] = {
        id(moment): moment.rescaled(scales) for moment in {moments[target.name] for target in link.takers}
    }
    for target in link.takers:
        moments[target.name] = renewed[id(moments[target.name])]
