"""What a model's size is made of, and which sizes transformers opens as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from transformers import PreTrainedConfig

from seekloop.system.errors import ModelError

__all__ = ["Shape", "Shares", "config_of", "narrowed"]

_block = 32
"""Widths stay multiples of what block-quantised formats need, where they are."""
_kinds = frozenset({"llama", "qwen2", "gemma3_text", "deepseek_v2", "deepseek_v3"})


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The numbers that a cut may lower; each holds for all layers, as configs have it."""

    layers: int
    hidden: int
    """Width of the residual stream."""
    heads: int
    """Query heads."""
    groups: int
    """Heads of keys and values; each serves as many query heads."""
    channels: int
    """Width of the dense feed-forward blocks."""
    experts: int = 0
    """Routed experts of a layer; 0: the family has none."""

    @classmethod
    def of(cls, config: PreTrainedConfig) -> Self:
        """The shape of the model that `config` describes.

        Raises:
            ModelError: nothing is known of cutting this architecture.
        """
        told = config.to_dict()
        if told["model_type"] not in _kinds:
            raise ModelError("compress.cut_unknown", kind=told["model_type"], known=", ".join(sorted(_kinds)))
        heads = told["num_attention_heads"]
        return cls(
            layers=told["num_hidden_layers"],
            hidden=told["hidden_size"],
            heads=heads,
            groups=told.get("num_key_value_heads") or heads,
            channels=told["intermediate_size"],
            experts=told.get("n_routed_experts") or 0,
        )


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What is taken away of each number, 0 to less than 1."""

    layers: float = 0.0
    hidden: float = 0.0
    heads: float = 0.0
    groups: float = 0.0
    channels: float = 0.0
    experts: float = 0.0


def narrowed(config: PreTrainedConfig, shares: Shares) -> Shape:
    """The largest shape without at least the asked share of each number that the config's own rules allow.

    Query heads are taken evenly from all groups that stay: `groups` takes whole groups, with their heads.

    Raises:
        ModelError: there is none, or the family has nothing to take away there.
    """
    whole = Shape.of(config)
    if shares.experts and not whole.experts:
        raise ModelError("compress.no_such_shape", problem=f"{config.model_type} has no routed experts")
    sizes = asdict(whole)
    kept = {name: max(1, int(sizes[name] * (1 - share) + 1e-9)) for name, share in asdict(shares).items()}
    for name in ("channels", "hidden"):
        if sizes[name] % _block == 0 and kept[name] < sizes[name]:
            kept[name] = max(_block, kept[name] // _block * _block)
    shape = replace(whole, **kept | {"experts": kept["experts"] if whole.experts else 0, "heads": whole.heads})
    if shape == whole and shares.heads == 0:
        return whole
    each = whole.heads // whole.groups
    most = min(kept["heads"], shape.groups * each)
    found = _first(
        (replace(shape, heads=heads) for heads in range(most, 0, -1) if heads % shape.groups == 0),
        lambda one: _problem(config, one) is None,
    )
    if found is None:
        problem = _problem(config, replace(shape, heads=most)) or f"{most} heads in {shape.groups} groups"
        raise ModelError("compress.no_such_shape", problem=problem)
    return found


def config_of(config: PreTrainedConfig, shape: Shape, *, layers: Iterable[int]) -> PreTrainedConfig:
    """The config of the smaller model: what does not change stays, and the width of a head is said.

    Raises:
        ModelError: the architecture has no such shape.
    """
    problem = _problem(config, shape)
    if problem is not None:
        raise ModelError("compress.no_such_shape", problem=problem)
    return _built(config, shape, layers=tuple(layers))


def _first(shapes: Iterable[Shape], fits: Callable[[Shape], bool]) -> Shape | None:
    return next((shape for shape in shapes if fits(shape)), None)


def _problem(config: PreTrainedConfig, shape: Shape) -> str | None:
    """Why there is no such model; None: there is."""
    whole, told = Shape.of(config), config.to_dict()
    larger = [name for name, size in asdict(shape).items() if not (size <= asdict(whole)[name])]
    if larger:
        return f"{larger[0]} {asdict(shape)[larger[0]]}, and the model has {asdict(whole)[larger[0]]}"
    if shape.heads % shape.groups or shape.heads // shape.groups > whole.heads // whole.groups:
        return f"{shape.heads} heads in {shape.groups} groups"
    if told.get("kv_lora_rank"):
        fixed = replace(whole, layers=shape.layers, experts=shape.experts, hidden=shape.hidden)
        if shape != fixed:
            return "latent attention and its dense blocks are not cut, only layers, hidden and experts"
        if (problem := _of_experts(shape, told)) is not None:
            return problem
    try:
        _built(config, shape, layers=tuple(range(shape.layers)))
    except ValueError as error:
        return " ".join(str(error).split())
    return None


def _of_experts(shape: Shape, told: Mapping[str, Any]) -> str | None:
    groups = told.get("n_group") or 1
    open_groups = told.get("topk_group") or groups
    if shape.experts % groups or shape.experts // groups < 2:
        return f"{shape.experts} experts in {groups} groups: each needs two at least, and as many as the others"
    if shape.experts // groups * open_groups < told["num_experts_per_tok"]:
        return f"{told['num_experts_per_tok']} experts a token of {shape.experts // groups * open_groups} in reach"
    return None


def _built(config: PreTrainedConfig, shape: Shape, *, layers: tuple[int, ...]) -> PreTrainedConfig:
    told = config.to_dict()
    whole = Shape.of(config)
    values = {
        **told,
        **{name: [kinds[layer] for layer in layers] for name, kinds in _by_layer(told, whole.layers).items()},
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.hidden,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.groups,
        "intermediate_size": shape.channels,
    }
    if whole.experts:
        values["n_routed_experts"] = shape.experts
    if "first_k_dense_replace" in told:
        values["first_k_dense_replace"] = sum(layer < told["first_k_dense_replace"] for layer in layers)
    if not told.get("kv_lora_rank"):
        values["head_dim"] = told.get("head_dim") or whole.hidden // whole.heads
    return type(config).from_dict(values)


def _by_layer(told: Mapping[str, Any], layers: int) -> dict[str, list[Any]]:
    """What the config says of each layer by itself."""
    return {
        name: value
        for name, value in told.items()
        if name.endswith("layer_types") and isinstance(value, list) and len(value) == layers
    }
