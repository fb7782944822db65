"""A full or adapter checkpoint as an ONNX graph, compared with torch, and the file that Triton asks for beside it."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from seekloop.compress.method import Made, Work
from seekloop.compress.openvino.export import WithState, check_architecture, example
from seekloop.compress.openvino.making import plain_model
from seekloop.compress.weights import open_weights
from seekloop.model.arithmetic import parameters
from seekloop.runtime.onnx_model import INPUTS, OnnxModel
from seekloop.runtime.weights import quiet
from seekloop.system import digests, lazy, settings
from seekloop.system.errors import ModelError

__all__ = ["make"]

_one_file = 1_900_000_000
"""Bytes of weights beyond which they stand in a file beside the graph: protobuf ends at 2 GiB."""
_opset = 18
_tolerance = 1e-4
"""Largest difference of two logits, relative to the largest."""
_probe, _split = 48, 20


def make(work: Work) -> Made:
    """The onnx form.

    Raises:
        ModelError: the architecture is not proven, memory does not suffice, or the conversion changed the model.
        MissingPackage: onnx, onnxscript or onnxruntime is not installed.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        lazy.need(package, extra="onnx")
    parent, ctx = work.parent, work.ctx
    with open_weights(parent, store=ctx.store) as weights:
        config, count = weights.config, parameters(weights.config)
    check_architecture(config, form="onnx")
    path = work.folder / "model.onnx"
    with ctx.progress.task("onnx f32", total=2) as task, plain_model(work) as model:
        _export(model, path, large=4 * count > _one_file)
        task.advance()
        _check(path, model, parent_id=parent.id)
        task.advance()
    (work.folder / "config.pbtxt").write_text(_triton(config), "utf-8")
    return Made(form="onnx", precision="f32", parameters=count)


def _export(model: nn.Module, path: Path, *, large: bool) -> None:
    inputs = example(model.config)
    dynamic = torch.export.Dim.DYNAMIC
    plain = {0: dynamic, 1: dynamic}
    states = tuple({0: dynamic, 2: dynamic} for _ in inputs[3:])
    shapes = ((plain, plain, plain, *states),)
    with torch.no_grad(), quiet(), _hushed():
        program = torch.onnx.export(
            WithState(model),
            inputs,
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=[*INPUTS, *_states(model.config, "past_key_values")],
            output_names=["logits", *_states(model.config, "present")],
            opset_version=_opset,
            verbose=False,
        )
        assert program is not None
        for node in program.model.graph.all_nodes():
            node.metadata_props.clear()  # traces of this machine's files, which are no part of the model
        program.save(str(path), external_data=large)


def _states(config: Any, prefix: str) -> list[str]:
    layers = range(config.num_hidden_layers)
    return [f"{prefix}.{layer}.{kind}" for layer in layers for kind in ("key", "value")]


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep the exporter's notices off the terminal; what comes out is compared below."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@torch.inference_mode()
def _check(path: Path, model: nn.Module, *, parent_id: str) -> None:
    """Compare logits on ids that are always the same, read at once and in two calls.

    Raises:
        ModelError: they are further apart than fp32 rounds.
    """
    ids = (torch.arange(_probe) * 7919 % model.config.vocab_size).tolist()
    wanted = model(input_ids=torch.tensor([ids])).logits[0].numpy()
    run = OnnxModel(path, threads=settings.threads())
    for got in (run.logits(ids), run.logits(ids, split=_split)):
        difference = float(np.abs(got - wanted).max() / np.abs(wanted).max())
        if not difference <= _tolerance:
            raise ModelError("compress.conversion_differs", id=digests.short(parent_id), difference=f"{difference:.1e}")


def _triton(config: Mapping[str, Any]) -> str:
    """Triton's model configuration: rows are a dimension like any other, since tokens and their past differ."""
    heads = config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    state = f"[ -1, {config.get('num_key_value_heads', heads)}, -1, {width} ]"
    layers = range(config["num_hidden_layers"])
    states = [f"{layer}.{kind}" for layer in layers for kind in ("key", "value")]
    given = [
        *((name, "TYPE_INT64", "[ -1, -1 ]") for name in INPUTS),
        *((f"past_key_values.{one}", "TYPE_FP32", state) for one in states),
    ]
    told = [
        ("logits", "TYPE_FP32", f"[ -1, -1, {config['vocab_size']} ]"),
        *((f"present.{one}", "TYPE_FP32", state) for one in states),
    ]
    return f'backend: "onnxruntime"\nmax_batch_size: 0\ninput {_ports(given)}\noutput {_ports(told)}\n'


def _ports(ports: list[tuple[str, str, str]]) -> str:
    lines = ",\n".join(f'  {{ name: "{name}", data_type: {kind}, dims: {dims} }}' for name, kind, dims in ports)
    return f"[\n{lines}\n]"
