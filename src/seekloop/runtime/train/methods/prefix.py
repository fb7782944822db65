"""Prefix tuning: trained keys and values before every sequence, in every layer (Li and Liang 2021).

They begin as those of real tokens; random ones hardly train. Written in PEFT's format where that can hold them: it
knows keys and values of one shape, so latent attention (DeepSeek-V2, V3) has a form of our own, `SEEKLOOP_PREFIX`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seekloop.artifact.kinds import Form
from seekloop.runtime.train.methods.method import freeze
from seekloop.runtime.train.methods.virtual import States, Virtual, attach, attached, states_of
from seekloop.system.errors import ModelError

__all__ = ["Prefix", "PrefixStates", "open_adapter"]

_config_file, _weights_file = "adapter_config.json", "adapter_model.safetensors"
_theirs, _ours = "PREFIX_TUNING", "SEEKLOOP_PREFIX"


class PrefixStates(Virtual):
    """Trained keys and values.

    Args:
        keys: [layers, heads, tokens, width].
        values: the same, of a width of its own.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.keys = nn.Parameter(keys.clone())
        self.values = nn.Parameter(values.clone())

    @property
    def tokens(self) -> int:
        """How many virtual tokens."""
        return self.keys.shape[2]

    def forward(self, decoder: nn.Module) -> States:
        """As they stand."""
        return list(zip(self.keys.split(1), self.values.split(1), strict=True))


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """The method. A model that carries a prefix already goes on with it."""

    ids: tuple[int, ...]
    """The real tokens that the prefix begins as, one for each virtual token."""
    base: str = ""
    """Id of the base checkpoint, for `adapter_config.json`."""
    form: Form = "adapter"

    def apply(self, model: nn.Module, *, seed: int) -> None:
        """Read `ids` with the model and take what its layers cache of them; nothing is random."""
        freeze(model)
        if attached(model) is None:
            with torch.no_grad():
                states = states_of(model.get_decoder(), ids=torch.tensor([self.ids]))
            keys, values = (torch.cat(parts) for parts in zip(*states, strict=True))
            attach(model, PrefixStates(keys, values))
        _carried(model).requires_grad_(True)

    def draws(self) -> bool:
        """Never."""
        return False

    def export(self, model: nn.Module, folder: Path) -> int:
        """Write `adapter_config.json` and the weights; returns how many they are."""
        prefix = _carried(model)
        keys, values = prefix.keys.detach(), prefix.values.detach()
        if _is_latent(model):
            weights = {"keys": keys.contiguous(), "values": values.contiguous()}
            config = {"peft_type": _ours, "num_virtual_tokens": prefix.tokens}
        else:
            layers, heads, tokens, width = keys.shape
            both = torch.stack((keys, values), 1).permute(3, 0, 1, 2, 4)
            weights = {"prompt_embeddings": both.reshape(tokens, layers * 2 * heads * width).contiguous()}
            config = _peft_config(tokens=tokens, layers=layers, heads=heads, width=heads * width)
        save_file(weights, folder / _weights_file, metadata={"format": "pt"})
        text = json.dumps({**config, "base_model_name_or_path": self.base}, indent=2, sort_keys=True)
        (folder / _config_file).write_text(text + "\n", "utf-8")
        return keys.numel() + values.numel()


def open_adapter(model: nn.Module, folder: Path) -> None:
    """Put the prefix in `folder` (ours or PEFT's) before the sequences of `model`, which is its base.

    Raises:
        ModelError: its shape is not that of this model's keys and values.
    """
    weights = load_file(folder / _weights_file)
    with torch.no_grad():
        shapes = [(first.shape, second.shape) for first, second in states_of(model.get_decoder(), ids=_one_id)]
    layers, ((_, heads, _, width), _) = len(shapes), shapes[0]
    if "prompt_embeddings" in weights:
        both = weights["prompt_embeddings"]
        if _is_latent(model) or both.shape[1] != layers * 2 * heads * width:
            raise ModelError("train.adapter_of_another_base", layer="prompt_embeddings", folder=folder)
        keys, values = both.view(-1, layers, 2, heads, width).permute(2, 1, 3, 0, 4)
    else:
        keys, values = weights["keys"], weights["values"]
    for name, part, wanted in (("keys", keys, shapes[0][0]), ("values", values, shapes[0][1])):
        if (part.shape[0], part.shape[1], part.shape[3]) != (layers, wanted[1], wanted[3]):
            raise ModelError("train.adapter_of_another_base", layer=name, folder=folder)
    attach(model, PrefixStates(keys.float(), values.float()))


_one_id = torch.zeros(1, 1, dtype=torch.int64)


def _is_latent(model: nn.Module) -> bool:
    """Whether attention caches a latent instead of keys and values."""
    return "kv_lora_rank" in model.config.to_dict()


def _carried(model: nn.Module) -> PrefixStates:
    prefix = attached(model)
    if not isinstance(prefix, PrefixStates):
        raise ValueError("the model has no prefix")
    return prefix


def _peft_config(*, tokens: int, layers: int, heads: int, width: int) -> dict[str, Any]:
    return {
        "peft_type": _theirs,
        "task_type": "CAUSAL_LM",
        "inference_mode": True,
        "num_virtual_tokens": tokens,
        "num_layers": layers,
        "num_attention_heads": heads,
        "token_dim": width,
        "num_transformer_submodules": 1,
        "encoder_hidden_size": width,
        "prefix_projection": False,
    }
