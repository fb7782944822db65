"""A full or adapter checkpoint as a compressed-tensors folder: rounded, written, and read back before it counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from seekloop.compress.method import Made, Work
from seekloop.compress.packed.calibration import calibration_batches
from seekloop.compress.packed.folder import as_half, half_types, write_folder
from seekloop.compress.packed.layers import is_target
from seekloop.compress.packed.needs import check_memory
from seekloop.compress.packed.spec import Int8WeightsMethod, W4A16Method, W8A8Method
from seekloop.compress.packed.trained import as_trained, plain_as_trained, trained_steps
from seekloop.compress.packed.walk import Recipe, Rounded, Walk
from seekloop.compress.survival import Survival
from seekloop.compress.weights import Weights, open_weights
from seekloop.runtime import models
from seekloop.runtime.packed import layer_tensors, quantisation_config, read_layers
from seekloop.runtime.rounding import Grid, Steps, codes_of, steps_of
from seekloop.system.errors import ModelError
from seekloop.system.progress import Progress, Task

__all__ = ["make_int8_weights", "make_w4a16", "make_w8a8"]

_groups = (128, 64, 32)
_most = 0.25
"""Squared error of a rounded layer beyond which it is not the same layer any more, as a share of its squares."""


def make_w4a16(method: W4A16Method, work: Work) -> Made:
    """The 4-bit form.

    Raises:
        ModelError: groups do not divide the layers, the decoder is not known, memory is too little, the adapter would
            be lost, or what was written is not what was computed.
        DataError: calibration is asked for and there are no rows.
    """
    with open_weights(work.parent, store=work.ctx.store) as weights:
        trained = as_trained(method, weights.target, progress=work.ctx.progress)
        method = trained or method
        group = _group(method.group, weights, progress=work.ctx.progress)
        recipe = Recipe(
            grid=Grid(bits=4, group=group, symmetric=method.symmetric),
            stored=half_types[method.dtype],
            rounding=method.rounding,
            act_order=method.act_order,
            damping=method.damping,
            trained=trained is not None,
        )
        return _make(method, recipe, weights=weights, work=work)


def make_int8_weights(method: Int8WeightsMethod, work: Work) -> Made:
    """The form of int8 weights alone.

    Raises:
        ModelError: as `make_w4a16`.
    """
    with open_weights(work.parent, store=work.ctx.store) as weights:
        trained = as_trained(method, weights.target, progress=work.ctx.progress)
        method = trained or method
        recipe = Recipe(
            grid=Grid(bits=8, group=_group(method.group, weights, progress=work.ctx.progress)),
            stored=half_types[method.dtype],
            rounding="nearest",
            trained=trained is not None,
        )
        return _make(method, recipe, weights=weights, work=work)


def make_w8a8(method: W8A8Method, work: Work) -> Made:
    """The int8 form.

    Raises:
        ModelError: as `make_w4a16`.
        DataError: as `make_w4a16`.
    """
    with open_weights(work.parent, store=work.ctx.store) as weights:
        trained = as_trained(method, weights.target, progress=work.ctx.progress)
        method = trained or method
        recipe = Recipe(
            grid=Grid(bits=8, group=None),
            stored=half_types[method.dtype],
            rounding=method.rounding,
            act_order=method.act_order,
            damping=method.damping,
            smooth=method.smooth,
            inputs=True,
            trained=trained is not None,
        )
        return _make(method, recipe, weights=weights, work=work)


@dataclass(kw_only=True)
class _Sink:
    """Takes rounded layers and keeps only what goes into the file."""

    recipe: Recipe
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def take(self, name: str, rounded: tuple[Tensor, Steps]) -> None:
        """Keep the tensors of one layer."""
        codes, steps = rounded
        told = self.recipe
        self.tensors |= layer_tensors(name, codes, steps=steps, grid=told.grid, stored=told.stored, inputs=told.inputs)


_Method = W4A16Method | Int8WeightsMethod | W8A8Method


def _make(method: _Method, recipe: Recipe, *, weights: Weights, work: Work) -> Made:
    sink, walk = _Sink(recipe=recipe), None
    calibrated = recipe.rounding != "nearest" or recipe.smooth is not None
    layers = [name for name in weights.names if is_target(name, weights.shape(name))]
    with _task(work, method.type, recipe=recipe, weights=weights, calibrated=calibrated) as task:
        if calibrated:
            assert not isinstance(method, Int8WeightsMethod)
            walk = _calibrate(method, recipe, weights=weights, work=work, sink=sink, task=task)
        _nearest(layers, recipe, weights=weights, sink=sink, task=task)
        for name in weights.names:
            if name not in layers:
                tensor = _plain(name, weights, walk=walk)
                exact = recipe.trained
                sink.tensors[name] = plain_as_trained(tensor) if exact else as_half(tensor, name, stored=recipe.stored)
        routers = [name.removesuffix(".weight") for name in weights.names if name.endswith(".mlp.gate.weight")]
        quantised = quantisation_config(recipe.grid, ignore=["lm_head", *routers], inputs=recipe.inputs)
        write_folder(weights, sink.tensors, folder=work.folder, stored=recipe.stored, quantised=quantised)
        task.note("reading it back")
        _prove(work.folder, recipe, weights=weights, walk=walk, form=method.type)
    parameters = sum(int(torch.Size(weights.shape(name)).numel()) for name in weights.names)
    return Made(form="compressed-tensors", precision=method.type, parameters=parameters, read_dataset=calibrated)


@contextmanager
def _task(work: Work, name: str, *, recipe: Recipe, weights: Weights, calibrated: bool) -> Iterator[Task]:
    layers = int(weights.config["num_hidden_layers"])
    total = layers if calibrated else sum(is_target(one, weights.shape(one)) for one in weights.names)
    with work.ctx.progress.task(f"{name} {recipe.rounding}", total=total) as task:
        yield task


def _calibrate(
    method: W4A16Method | W8A8Method, recipe: Recipe, *, weights: Weights, work: Work, sink: _Sink, task: Task
) -> Walk:
    ctx, how = work.ctx, f"{method.type} {method.rounding}"
    codec = models.codec_of(work.parent, store=ctx.store)
    samples = calibration_batches(work.dataset, method.calibration, codec=codec, store=ctx.store, method=how)
    check_memory(weights, samples, bits=recipe.grid.bits, method=how, progress=ctx.progress)
    walk = Walk(weights, stored=recipe.stored)
    found = walk.run(samples, recipe, task=task, take=sink.take)
    _say(found, how, progress=ctx.progress)
    return walk


def _say(found: Rounded, how: str, *, progress: Progress) -> None:
    if found.errors:
        mean, worst = sum(found.errors) / len(found.errors), max(found.errors)
        progress.say(f"{how}: outputs of linear layers moved by {mean:.2%} of their squares, {worst:.2%} in the worst")
    if found.unseen:
        whole = len(found.errors) + len(found.unseen)
        progress.say(
            f"{how}: no calibration token came into {len(found.unseen)} of {whole} layers (experts that were not "
            f"chosen, {found.unseen[0]} the first); they are rounded to the nearest"
        )


def _nearest(layers: list[str], recipe: Recipe, *, weights: Weights, sink: _Sink, task: Task) -> None:
    """Those that no walk has rounded: all, where nothing is calibrated."""
    for name in layers:
        if f"{name}_scale" in sink.tensors:
            continue
        weight = torch.from_numpy(weights.read(name))
        if recipe.trained:
            steps = trained_steps(weight, recipe.grid)
        else:
            steps = steps_of(weight, recipe.grid, stored=recipe.stored, search=recipe.grid.bits < 8)
        sink.take(name.removesuffix(".weight"), (codes_of(weight, recipe.grid, steps=steps), steps))
        task.advance()


def _plain(name: str, weights: Weights, *, walk: Walk | None) -> Tensor:
    """A tensor that is not rounded: of the model where scales were folded into it, else of the checkpoint."""
    held = None if walk is None else walk.parameters.get(name)
    return torch.from_numpy(weights.read(name)) if held is None else held


def _group(wanted: int | str | None, weights: Weights, *, progress: Progress) -> int | None:
    """Columns that share a scale; None: a whole row.

    Raises:
        ModelError: they do not divide every layer.
    """
    if wanted == "channel":
        return None
    widths = {name: weights.shape(name)[1] for name in weights.names if is_target(name, weights.shape(name))}
    for group in _groups if wanted is None else (int(wanted),):
        odd = [name for name, width in widths.items() if width % group]
        if not odd:
            if wanted is None and group != _groups[0]:
                progress.say(f"w4a16: groups of {group}, the largest that divides every layer's width")
            return group
    name = odd[0].removesuffix(".weight")
    raise ModelError("compress.group_width", name=name, width=widths[odd[0]], group=group)


def _prove(folder: Path, recipe: Recipe, *, weights: Weights, walk: Walk | None, form: str) -> None:
    """Read each layer back: it is what was computed, its source is near, and an adapter's change is still there.

    Raises:
        ModelError: it is not.
    """
    survival, scaled = Survival(), recipe.rounding == "awq" or recipe.smooth is not None
    computed = {} if walk is None else walk.targets
    for name, value in read_layers(folder):
        source = torch.from_numpy(weights.read(f"{name}.weight"))
        same = torch.equal(value, source if recipe.trained else computed.get(name, value))
        error = value - source
        near = scaled or bool(error.square().sum() <= _most * source.square().sum())
        if not same or not near or not value.isfinite().all():
            raise ModelError("compress.not_the_same", name=name, form=form)
        change = None if scaled else weights.change(f"{name}.weight")
        if change is not None:
            survival.add(change, error.numpy())
    if survival.is_lost:
        raise ModelError("compress.adapter_lost", precision=form, share=f"{max(0.0, survival.share):.0%}")
