"""Calibration: the rows go through the model layer by layer, and each layer is rounded before the next one sees them.

At one time there are the model, the hidden states of all calibration tokens, and the second moments of one layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from seekloop.compress.packed.calibration import Sample
from seekloop.compress.packed.gptq import factor_of, gptq
from seekloop.compress.packed.layers import Moments, Target, recording, targets_of
from seekloop.compress.packed.scaling import links_of, output_error, scale_awq, scale_smooth
from seekloop.compress.weights import Weights
from seekloop.runtime.rounding import Grid, Steps, codes_of, steps_of, values_of
from seekloop.runtime.weights import open_model
from seekloop.system.errors import ModelError
from seekloop.system.progress import Task

__all__ = ["Recipe", "Rounded", "Walk", "round_layers"]

_parts = {"embed_tokens", "layers", "norm", "rotary_emb"}
Take = Callable[[str, tuple[Tensor, Steps]], None]
"""Takes name, codes and steps of a rounded layer."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How layers are rounded."""

    grid: Grid
    stored: torch.dtype
    rounding: str
    act_order: bool = True
    damping: float = 0.01
    smooth: float | None = None
    inputs: bool = False
    """Whether the form rounds the inputs of layers too."""
    trained: bool = False
    """Whether weights lie on the grid already, where training put them: they are stored as they are."""


@dataclass(kw_only=True)
class Rounded:
    """What was found on the way."""

    errors: list[float] = field(default_factory=list)
    """For each layer with inputs: squared error of its outputs, as a share of their squares."""
    unseen: list[str] = field(default_factory=list)
    """Layers that no calibration token came into: rounded to the nearest."""


class Walk:
    """A model under way, with the weights as they will be in the file.

    `targets` are the weights of its linear layers by the layers' names in the file, `parameters` all others by theirs.

    Args:
        weights: of the checkpoint, any adapter folded in.
        stored: type of whatever is not rounded.

    Raises:
        ModelError: its decoder is not known to be embedding, layers of full attention, and norm.
    """

    def __init__(self, weights: Weights, *, stored: torch.dtype) -> None:
        self.model = open_model(weights.folder)
        self._weights, self._stored = weights, stored
        decoder = self.model.get_decoder()
        kinds = set(decoder.config.to_dict().get("layer_types") or ["full_attention"])
        if kinds != {"full_attention"} or {name for name, _ in decoder.named_children()} != _parts:
            raise ModelError("compress.unknown_decoder", kind=str(weights.config.get("model_type")))
        for name, parameter in self.model.named_parameters():
            if name in weights.names:
                parameter.data.copy_(self._half(torch.from_numpy(weights.read(name))))

        layers = self.model.get_decoder().layers
        self.targets = {one.name: one.weight for i, layer in enumerate(layers) for one in targets_of(layer, _prefix(i))}
        self.parameters = {name: one.data for name, one in self.model.named_parameters() if one.dim() < 3}

    def _half(self, tensor: Tensor) -> Tensor:
        """Vectors and tables as the file will hold them; layers that are rounded are rounded from fp32."""
        return tensor if tensor.dim() == 3 else tensor.to(self._stored).float()

    @torch.inference_mode()
    def run(self, samples: Sequence[Sample], recipe: Recipe, *, task: Task, take: Take) -> Rounded:
        """Round every layer inside the decoder. `take` gets each one at once, so that none is kept."""
        decoder, found = self.model.get_decoder(), Rounded()
        hidden, now = [decoder.embed_tokens(sample.ids) for sample in samples], [samples[0].real]

        def real() -> Tensor:
            return now[0]

        for index, layer in enumerate(decoder.layers):
            prefix = _prefix(index)
            targets = targets_of(layer, prefix)
            for target in targets:
                target.weight.copy_(torch.from_numpy(self._weights.read(f"{target.name}.weight")))
            with recording(layer, prefix, real=real) as moments:
                for sample, states in zip(samples, hidden, strict=True):
                    now[0] = sample.real
                    self._pass(layer, states)
            _scale(layer, prefix, targets=targets, moments=moments, recipe=recipe)
            round_layers(targets, moments, recipe=recipe, found=found, take=take)
            hidden = [self._pass(layer, states) for states in hidden]
            task.advance()
        return found

    def _pass(self, layer: nn.Module, states: Tensor) -> Tensor:
        positions = torch.arange(states.shape[1])[None]
        embeddings = self.model.get_decoder().rotary_emb(states, position_ids=positions)
        told = {"position_ids": positions, "position_embeddings": embeddings, "attention_mask": None}
        return layer(states, **told)


def _prefix(index: int) -> str:
    return f"model.layers.{index}."


def _scale(layer: nn.Module, prefix: str, *, targets: Sequence[Target], moments: Moments, recipe: Recipe) -> None:
    if recipe.rounding != "awq" and recipe.smooth is None:
        return
    for link in links_of(layer, prefix, targets=targets):
        if recipe.smooth is not None:
            scale_smooth(link, moments, strength=recipe.smooth)
        else:
            scale_awq(link, moments, grid=recipe.grid, stored=recipe.stored)
    for name, parameter in layer.named_parameters():
        if parameter.dim() < 3 and not any(target.name == prefix + name.removesuffix(".weight") for target in targets):
            parameter.data.copy_(parameter.data.to(recipe.stored).float())


def round_layers(targets: Sequence[Target], moments: Moments, *, recipe: Recipe, found: Rounded, take: Take) -> None:
    """Round the linear layers of one decoder layer, in place and to `take`."""
    factors = {}
    for target in targets:
        moment, weight = moments[target.name], target.weight
        if recipe.rounding == "gptq" and moment.count:
            if id(moment) not in factors:
                factors[id(moment)] = factor_of(moment, damping=recipe.damping, act_order=recipe.act_order)
            codes, steps = gptq(
                weight, factors[id(moment)], grid=recipe.grid, stored=recipe.stored, act_order=recipe.act_order
            )
        else:
            importance = moment.products.diagonal() if moment.count and recipe.rounding == "awq" else None
            steps = steps_of(
                weight, recipe.grid, stored=recipe.stored, importance=importance, search=recipe.grid.bits < 8
            )
            codes = codes_of(weight, recipe.grid, steps=steps)
        values = values_of(codes, steps)
        if moment.count:
            found.errors.append(float(output_error(values - weight, moment) / output_error(weight, moment)))
        else:
            found.unseen.append(target.name)
        weight.copy_(values)
        take(target.name, (codes, steps))
