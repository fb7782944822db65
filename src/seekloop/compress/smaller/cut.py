"""A model of a smaller shape out of a larger one's weights: one table says which axis of which tensor is of what.

Which heads, channels and experts stay is chosen in each layer by itself; how many, the config says for all layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedConfig

from seekloop.compress.smaller.importance import Importances
from seekloop.compress.smaller.shape import Shape, config_of
from seekloop.runtime.linear import quicken
from seekloop.system.errors import ModelError
from seekloop.system.loading import one_at_a_time

__all__ = ["cut", "influential", "spaced"]

_axes: dict[str, tuple[str | None, ...]] = {
    "embed_tokens.weight": (None, "hidden"),
    "lm_head.weight": (None, "hidden"),
    "norm.weight": ("hidden",),
    "input_layernorm.weight": ("hidden",),
    "post_attention_layernorm.weight": ("hidden",),
    "pre_feedforward_layernorm.weight": ("hidden",),
    "post_feedforward_layernorm.weight": ("hidden",),
    "q_norm.weight": (None,),
    "k_norm.weight": (None,),
    "q_proj.weight": ("queries", "hidden"),
    "k_proj.weight": ("keys", "hidden"),
    "v_proj.weight": ("keys", "hidden"),
    "o_proj.weight": ("hidden", "queries"),
    "q_proj.bias": ("queries",),
    "k_proj.bias": ("keys",),
    "v_proj.bias": ("keys",),
    "o_proj.bias": ("hidden",),
    "gate_proj.weight": ("channels", "hidden"),
    "up_proj.weight": ("channels", "hidden"),
    "down_proj.weight": ("hidden", "channels"),
    "gate_proj.bias": ("channels",),
    "up_proj.bias": ("channels",),
    "down_proj.bias": ("hidden",),
    "q_a_proj.weight": (None, "hidden"),
    "q_a_layernorm.weight": (None,),
    "q_b_proj.weight": (None, None),
    "kv_a_proj_with_mqa.weight": (None, "hidden"),
    "kv_a_layernorm.weight": (None,),
    "kv_b_proj.weight": (None, None),
    "gate.weight": ("experts", "hidden"),
    "gate.e_score_correction_bias": ("experts",),
    "experts.gate_up_proj": ("experts", None, "hidden"),
    "experts.down_proj": ("experts", "hidden", None),
}
"""End of a tensor's name -> what each of its axes is of; None: what no cut changes."""


def cut(model: nn.Module, shape: Shape, *, by: Importances, layers: Sequence[int] | None = None) -> nn.Module:
    """A new model of `shape` from the most important parts of `model`, which stays as it is.

    Args:
        model: fp32, a transformers causal language model.
        shape: of the new one; no number larger than the model's.
        by: measured once on `model`, for any number of cuts.
        layers: which layers stay, in order; None: the most influential ones.

    Returns:
        A plain transformers model, in eval mode, whose config says its shape.

    Raises:
        ModelError: the architecture has no such shape, or a tensor that no cut is known for.
    """
    chosen = tuple(layers) if layers is not None else influential(by, shape.layers)
    whole = Shape.of(model.config)
    config = config_of(model.config, shape, layers=chosen)
    picks = _Picks(whole=whole, shape=shape, by=by, config=model.config)
    weights = {
        _renamed(name, chosen): picks.taken(name, tensor)
        for name, tensor in model.state_dict().items()
        if (index := _layer_of(name)) is None or index in chosen
    }
    with one_at_a_time(), torch.random.fork_rng(devices=[]):
        new: nn.Module = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    new.load_state_dict(weights, strict=True)
    new.generation_config = model.generation_config
    quicken(new)
    return new.eval().requires_grad_(False)


def influential(by: Importances, count: int) -> tuple[int, ...]:
    """The `count` layers whose output differs most from their input, in order."""
    return _top(by.layers, count)


def spaced(layers: int, count: int) -> tuple[int, ...]:
    """`count` of so many layers at even distances, the first and the last among them."""
    if count == 1:
        return (layers - 1,)
    return tuple((2 * place * (layers - 1) + count - 1) // (2 * (count - 1)) for place in range(count))


@dataclass(frozen=True, kw_only=True)
class _Picks:
    """What stays along each axis."""

    whole: Shape
    shape: Shape
    by: Importances
    config: PreTrainedConfig

    def taken(self, name: str, tensor: Tensor) -> Tensor:
        """What stays of the tensor called `name`."""
        roles = _roles(name, kind=self.config.model_type)
        for axis, role in enumerate(roles):
            index = self._index(role, _layer_of(name), name=name)
            if index is not None:
                tensor = tensor.index_select(axis, index)
        return tensor.clone()

    def _index(self, role: str | None, layer: int | None, *, name: str) -> Tensor | None:
        """Places that stay; None: all of them."""
        if role == "hidden":
            return _places(self.by.hidden, self.shape.hidden)
        if role is None or layer is None or "shared_experts" in name:
            return None
        if role == "experts":
            return self._experts(layer)
        if role == "channels":
            return _places(self.by.channels[layer], self.shape.channels)
        if (self.shape.heads, self.shape.groups) == (self.whole.heads, self.whole.groups):
            return None
        groups = _top(self.by.groups[layer], self.shape.groups)
        return self._wide(groups if role == "keys" else self._heads(layer, groups))

    def _heads(self, layer: int, groups: Sequence[int]) -> list[int]:
        """Of each group that stays as many heads, in the order of the groups."""
        each, kept = self.whole.heads // self.whole.groups, self.shape.heads // self.shape.groups
        by = self.by.heads[layer].view(self.whole.groups, each)
        return [group * each + head for group in groups for head in _top(by[group], kept)]

    def _wide(self, heads: Sequence[int]) -> Tensor:
        width = self.config.to_dict().get("head_dim") or self.whole.hidden // self.whole.heads
        return (torch.tensor(heads)[:, None] * width + torch.arange(width)).flatten()

    def _experts(self, layer: int) -> Tensor | None:
        """Of each routing group as many experts."""
        if self.shape.experts == self.whole.experts:
            return None
        groups = self.config.to_dict().get("n_group") or 1
        by, each = self.by.experts[layer].view(groups, -1), self.whole.experts // groups
        kept = self.shape.experts // groups
        return torch.tensor([group * each + one for group in range(groups) for one in _top(by[group], kept)])


def _top(values: Tensor, count: int) -> tuple[int, ...]:
    """Places of the largest values, in order; of equal ones the first."""
    ranked = sorted(range(len(values)), key=lambda place: (-float(values[place]), place))
    return tuple(sorted(ranked[:count]))


def _places(values: Tensor, count: int) -> Tensor | None:
    return None if count == len(values) else torch.tensor(_top(values, count))


def _roles(name: str, *, kind: str) -> tuple[str | None, ...]:
    found: Mapping[str, tuple[str | None, ...]] = _axes
    for parts in (2, 3):
        end = ".".join(name.split(".")[-parts:])
        if end in found:
            return found[end]
    raise ModelError("compress.cut_tensor", name=name, kind=kind)


def _layer_of(name: str) -> int | None:
    before, _, after = name.partition(".layers.")
    return int(after.partition(".")[0]) if after and before else None


def _renamed(name: str, chosen: Sequence[int]) -> str:
    index = _layer_of(name)
    if index is None:
        return name
    return name.replace(f".layers.{index}.", f".layers.{chosen.index(index)}.", 1)
