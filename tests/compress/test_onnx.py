"""The onnx form: logits of torch in any shape and step by step, the same bytes again, and what Triton is told."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch

from seekloop.compress.onnx.making import make
from seekloop.compress.onnx.spec import OnnxMethod
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.compress.stage import form_by
from seekloop.runtime import models
from seekloop.runtime.onnx_model import OnnxModel
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import GateRefused, ModelError

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="onnx, onnxscript or onnxruntime is not installed",
)
IDS = [(40 + 7 * place) % 256 for place in range(33)]


def by_torch(ctx, checkpoint):
    with torch.inference_mode():
        return models.load(checkpoint, store=ctx.store)(input_ids=torch.tensor([IDS])).logits[0].numpy()


def test_a_graph_says_what_torch_says_at_once_and_step_by_step_in_the_same_bytes(ctx, adapter, compress):
    made = compress(adapter, OnnxMethod())
    model, wanted = OnnxModel(ctx.store.path(made.id, "model.onnx"), threads=1), by_torch(ctx, adapter)
    for got in (model.logits(IDS), model.logits(IDS, split=32), model.logits(IDS, split=1)):
        assert np.abs(got - wanted).max() / np.abs(wanted).max() < 1e-4
    told = ctx.store.path(made.id, "config.pbtxt").read_text("utf-8")
    assert told.count("past_key_values.") == told.count("present.") == 4
    assert compress(adapter, OnnxMethod()).id == made.id
    assert b"/seekloop/" not in ctx.store.path(made.id, "model.onnx").read_bytes()
    assert (made.form, made.precision) == ("onnx", "f32")


def test_an_architecture_that_is_not_proven_is_refused(ctx, compress):
    with pytest.raises(ModelError) as caught:
        compress(tiny_base(ctx, family="deepseek-v3"), OnnxMethod())
    assert caught.value.code == "compress.not_converted"


def test_a_graph_with_moved_rows_is_refused_by_the_gate(ctx, sharp):
    """The gate asks onnxruntime, on the CPU, for what the parent says."""
    import onnx

    def moved(work):
        made = make(work)
        graph = onnx.load(work.folder / "model.onnx")
        weight = next(one for one in graph.graph.initializer if "o_proj" in one.name or list(one.dims) == [64, 64])
        values = onnx.numpy_helper.to_array(weight)
        weight.CopyFrom(onnx.numpy_helper.from_array(np.roll(values, 7, axis=1), weight.name))
        onnx.save(graph, work.folder / "model.onnx")
        return made

    with pytest.raises(GateRefused) as caught:
        form_by(moved, CompressSpec(), inputs=CompressInputs(checkpoint=sharp("smollm2")), ctx=ctx)
    assert caught.value.code == "compress.parity_refused"
