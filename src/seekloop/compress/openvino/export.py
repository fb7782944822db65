"""A model of transformers as an OpenVINO model that keeps keys and values as its state.

It is traced with the keys and values of earlier tokens as inputs and outputs; those become a state, which `beam_idx`
picks rows from: the shape of model that OpenVINO GenAI's pipelines take, the one with paged attention among them.
Positions and masks are computed outside transformers, from the attention mask alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache, CacheLayerMixin

from seekloop.runtime import openvino_modules
from seekloop.runtime.openvino_ir import INPUTS
from seekloop.runtime.weights import quiet
from seekloop.system.errors import ModelError

__all__ = ["ARCHITECTURES", "WithState", "causal_mask", "check_architecture", "converted", "example"]

ARCHITECTURES = ("llama", "qwen2")
"""`model_type`s whose conversion is proven against torch."""
_positions = ("default", "linear", "llama3")
"""Rules of scaling positions that are numbers, not code that looks at the input."""
_example = (2, 3, 4)
"""Rows, new tokens and earlier tokens of the example that is traced; no number of the model is among its ends."""


def check_architecture(config: Mapping[str, Any], *, form: str) -> None:
    """Make sure that the conversion of such a model is proven.

    Raises:
        ModelError: it is not.
    """
    kind, rope = str(config.get("model_type")), config.get("rope_parameters") or {}
    if kind not in ARCHITECTURES:
        raise ModelError("compress.not_converted", kind=kind, form=form, known=", ".join(ARCHITECTURES))
    rule = str(rope.get("rope_type", "default"))
    if rule not in _positions or config.get("use_sliding_window"):
        kind = "sliding window" if rule in _positions else rule
        raise ModelError("compress.not_converted", kind=kind, form=form, known=", ".join(_positions))


class _Layer(CacheLayerMixin):
    """Keys and values of one layer: earlier ones that were put in, and new ones behind them."""

    is_sliding = False

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.keys, self.values = keys, values
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do: they were put in."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """[rows, heads, new, width] each -> [rows, heads, earlier + new, width]."""
        self.keys = torch.cat([self.keys, key_states], dim=-2)
        self.values = torch.cat([self.values, value_states], dim=-2)
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Unused: the mask is ours."""
        return 0, 0

    def get_seq_length(self) -> int:
        """Unused: the positions are ours."""
        return 0

    def get_max_length(self) -> int:
        """Unlimited."""
        return -1


class WithState(nn.Module):
    """A causal language model whose earlier keys and values go in, and all of which come out.

    Args:
        model: of transformers.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """ids [rows, new], mask [rows, earlier + new], positions [rows, new], then earlier keys and values by layer.

        Returns logits, [rows, new, vocabulary], and all keys and values by layer.
        """
        input_ids, attention_mask, position_ids, *past = inputs
        layers = [_Layer(keys, values) for keys, values in zip(past[::2], past[1::2], strict=True)]
        said = self.model(
            input_ids=input_ids,
            attention_mask=causal_mask(attention_mask, new=input_ids.shape[1]),
            position_ids=position_ids,
            past_key_values=Cache(layers=layers),
            use_cache=True,
        )
        return (said.logits, *(states for layer in layers for states in (layer.keys, layer.values)))


def causal_mask(attention_mask: Tensor, *, new: int) -> Tensor:
    """[rows, 1, new, earlier + new]: nothing is added for what a token may see, and nearly -inf for the rest."""
    total = attention_mask.shape[1]
    before = torch.arange(total)[None, :] <= torch.arange(new)[:, None] + (total - new)
    seen = before[None, None] & attention_mask[:, None, None, :].to(torch.bool)
    return torch.where(seen, 0.0, torch.finfo(torch.float32).min)


def converted(model: nn.Module) -> Any:
    """The `openvino.Model` of a model of transformers, fp32, keys and values being its state.

    Its inputs are those of `INPUTS`; its output is `logits`, [rows, new, vocabulary].

    Raises:
        MissingPackage: openvino is not installed.
    """
    inputs = example(model.config)
    layers, (_, heads, _, width) = model.config.num_hidden_layers, inputs[-1].shape
    found = _traced(WithState(model), inputs)
    states = [f"{layer}.{kind}" for layer in range(layers) for kind in ("key", "value")]
    _name(found, states=states, heads=heads, width=width)
    _pick_rows(found, count=len(states))
    _keep(found, states=states)
    return found


def example(config: Any) -> tuple[Tensor, ...]:
    """Inputs that `WithState` is traced with: ids, mask, positions, then earlier keys and values layer by layer."""
    rows, new, earlier = _example
    heads, width = config.num_key_value_heads, config.to_dict().get("head_dim")
    width = width or config.hidden_size // config.num_attention_heads
    past = [torch.zeros(rows, heads, earlier, width) for _ in range(2 * config.num_hidden_layers)]
    positions = torch.arange(earlier, earlier + new).repeat(rows, 1)
    ids, mask = torch.ones(rows, new, dtype=torch.long), torch.ones(rows, earlier + new, dtype=torch.long)
    return (ids, mask, positions, *past)


def _traced(model: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    openvino = openvino_modules.openvino()
    with torch.no_grad(), quiet(), openvino_modules.silent(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about Python's own branches: the check below is the proof
        return openvino.convert_model(model, example_input=inputs)


def _name(model: Any, *, states: Sequence[str], heads: int, width: int) -> None:
    openvino = openvino_modules.openvino()
    plain, names = openvino.PartialShape([-1, -1]), (*INPUTS[:3], *(f"past_key_values.{state}" for state in states))
    for place, (given, name) in enumerate(zip(model.inputs, names, strict=True)):
        given.get_tensor().set_names({name})
        given.get_node().set_friendly_name(name)
        given.get_node().set_partial_shape(plain if place < 3 else openvino.PartialShape([-1, heads, -1, width]))
    for told, name in zip(model.outputs, ("logits", *(f"present.{state}" for state in states)), strict=True):
        told.get_tensor().set_names({name})
    model.validate_nodes_and_infer_types()


def _pick_rows(model: Any, *, count: int) -> None:
    """Have every state go through a choice of its rows, which beam search and repeated contexts need."""
    openvino = openvino_modules.openvino()
    ops = openvino.opset13
    chosen = ops.parameter(openvino.PartialShape([-1]), openvino.Type.i32, name=INPUTS[3])
    chosen.output(0).get_tensor().set_names({INPUTS[3]})
    states = [given.get_node() for given in model.inputs[-count:]]
    model.add_parameters([chosen])
    for state in states:
        readers = state.output(0).get_target_inputs()
        picked = ops.gather(state, chosen, ops.constant(0, dtype=np.int64))
        for reader in readers:
            reader.replace_source_output(picked.output(0))
    model.validate_nodes_and_infer_types()


def _keep(model: Any, *, states: Sequence[str]) -> None:
    """Make inputs and outputs of keys and values a state, which begins without tokens and with as many rows as ids."""
    openvino = openvino_modules.openvino()
    ops, transformations = openvino.opset13, openvino_modules.transformations()
    transformations.apply_make_stateful_transformation(
        model, {f"past_key_values.{state}": f"present.{state}" for state in states}
    )
    first = ops.constant([0], dtype=np.int64)
    rows = ops.gather(ops.shape_of(model.input(INPUTS[0]), output_type="i64"), first, ops.constant(0, dtype=np.int64))
    for operation in model.get_ops():
        if operation.get_type_name() == "ReadValue":
            shape = operation.get_output_partial_shape(0)
            ends = [ops.constant([int(shape[place].min_length)], dtype=np.int64) for place in (1, 2, 3)]
            nothing = ops.constant(0.0, dtype=operation.get_output_element_type(0))
            operation.set_arguments([ops.broadcast(nothing, ops.concat([rows, *ends], axis=0))])
    model.validate_nodes_and_infer_types()
