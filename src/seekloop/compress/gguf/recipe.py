"""Which format each tensor gets: one for all matrices, or llama.cpp's mixtures, which spend bits where errors hurt.

The rules are those of llama.cpp's `llama-quant.cpp`: `_m` gives six bits to the values and to the last step of the
feed-forward part in the first eighth, the last eighth and every third layer between; `_s` gives one format more to the
first layers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from seekloop.compress.gguf.formats import FORMATS
from seekloop.compress.gguf.layout import Target
from seekloop.compress.gguf.spec import Format, GgufMethod
from seekloop.system.errors import ModelError

__all__ = ["Chosen", "choose"]

_mixtures: dict[str, Format] = {"q5_k_m": "q5_k", "q5_k_s": "q5_k", "q4_k_m": "q4_k", "q4_k_s": "q4_k"}
_eight_bit_tables: tuple[Format, ...] = ("q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
_six_bit_tables: tuple[Format, ...] = ("q5_k", "q4_k")
_eight_experts = 8
_tables = ("token_embd.weight", "output.weight")
_smallest_block = 32
_layer = re.compile(r"blk\.(\d+)\.(.+)\.weight")


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What one tensor is stored as."""

    stored_as: Format
    wanted: Format
    """What the rule says; another one where rows do not divide into its blocks."""


def choose(targets: Sequence[Target], method: GgufMethod, *, layers: int, experts: int = 0) -> dict[str, Chosen]:
    """The format of every tensor, by name.

    Args:
        targets: all tensors of the file.
        method: what was asked for.
        layers: of the model.
        experts: routed experts of a layer; 0 where it has none.

    Raises:
        ModelError: rows do not divide into the blocks of a format that was asked for by name.
    """
    has_head = any(target.name == "output.weight" for target in targets)
    chosen = {}
    for target in targets:
        wanted = _wanted(target, method, layers=layers, experts=experts, has_head=has_head)
        chosen[target.name] = Chosen(stored_as=_fitting(target, wanted), wanted=wanted)
    return chosen


def _wanted(target: Target, method: GgufMethod, *, layers: int, experts: int, has_head: bool) -> Format:
    if target.exact:
        return "f32"
    if target.name in _tables:
        return method.embedding or _table(target, method, has_head=has_head)
    plain = _mixtures.get(method.precision)
    if plain is None:
        return _format(method)
    return _mixed(target, method.precision, plain=plain, layers=layers, experts=experts)


def _format(method: GgufMethod) -> Format:
    for each in FORMATS:
        if each == method.precision:
            return each
    raise ValueError(f"{method.precision} is a mixture")


def _table(target: Target, method: GgufMethod, *, has_head: bool) -> Format:
    """The head, tied or not, gets six or eight bits; an embedding beside a head what the mixture is made of."""
    if method.precision in _mixtures:
        return _mixtures[method.precision] if has_head and target.name != "output.weight" else "q6_k"
    plain = _format(method)
    return "q8_0" if plain in _eight_bit_tables else "q6_k" if plain in _six_bit_tables else plain


def _mixed(target: Target, mixture: str, *, plain: Format, layers: int, experts: int) -> Format:
    match = _layer.fullmatch(target.name)
    if match is None:
        return plain
    layer, part = int(match[1]), match[2]
    if experts == _eight_experts and part in ("attn_v", "attn_k"):
        return "q8_0"
    if experts == _eight_experts and part == "attn_output" and plain == "q4_k":
        return "q5_k"
    is_value, is_down = part == "attn_v", part.startswith("ffn_down")
    if mixture.endswith("_m") and (is_value or is_down) and _needs_more(layer, layers):
        return "q6_k"
    if mixture == "q4_k_s" and ((is_value and layer < 4) or (is_down and layer < layers // 8)):
        return "q5_k"
    return plain


def _needs_more(layer: int, layers: int) -> bool:
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _fitting(target: Target, wanted: Format) -> Format:
    """The format itself, or what llama.cpp falls back to where rows do not divide into its blocks."""
    width, block = target.shape[-1], FORMATS[wanted].block
    if width % block == 0:
        return wanted
    if block <= _smallest_block:
        raise ModelError("compress.block_width", name=target.name, width=width, precision=wanted, block=block)
    fallen = FORMATS[wanted].otherwise
    return fallen if width % FORMATS[fallen].block == 0 else FORMATS[fallen].otherwise
