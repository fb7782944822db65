from __future__ import annotations

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seekloop.compress.gguf_file import GgufFile, plan
from seekloop.compress.gguf_layout import layout_of
from seekloop.compress.rounding import largest_error
from seekloop.compress.weights import open_weights
from seekloop.system.errors import ModelError
from seekloop.system.progress import Silent

VALUES = st.floats(-1000, 1000, width=32)


@pytest.mark.parametrize("precision", ["f32", "f16", "q8_0", "q4_1", "q4_0"])
@given(source=arrays(np.float32, (2, 64), elements=VALUES))
def test_a_format_rounds_within_its_bound(precision, source):
    kind = GGMLQuantizationType[precision.upper()]
    stored = dequantize(quantize(source, kind), kind).reshape(source.shape)
    assert (np.abs(stored - source) <= largest_error(source, precision)).all()


@pytest.mark.parametrize("precision", ["f16", "q8_0", "q4_1", "q4_0"])
def test_a_bound_is_not_much_wider_than_needed(precision):
    source = np.random.default_rng(0).normal(size=(64, 256)).astype(np.float32)
    kind = GGMLQuantizationType[precision.upper()]
    worst = np.abs(dequantize(quantize(source, kind), kind).reshape(source.shape) - source).max()
    assert largest_error(source, precision).max() < 4 * worst


@pytest.mark.parametrize("precision", ["f32", "f16", "q8_0", "q4_1", "q4_0"])
def test_a_changed_weight_is_found(ctx, tiny, tmp_path, precision):
    path = tmp_path / "model.gguf"
    with open_weights(tiny, store=ctx.store) as weights, Silent().task("write") as task:
        layout = layout_of(weights.config)
        tensors = plan(layout, weights, precision=precision, embedding=precision)
        file = GgufFile(layout=layout, weights=weights, tensors=tensors, pairs={}, precision=precision)
        file.write(path, task)
        file.check(path, task)
        data = bytearray(path.read_bytes())
        data[-1] ^= 0x55
        path.write_bytes(data)
        with pytest.raises(ModelError) as caught:
            file.check(path, task)
    assert caught.value.code == "compress.not_the_same"
    assert caught.value.facts["name"] == tensors[-1].name
