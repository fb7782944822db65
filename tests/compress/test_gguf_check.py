from __future__ import annotations

import pytest

from seekloop.compress.gguf.architectures import layout_of
from seekloop.compress.gguf.export import plan
from seekloop.compress.gguf.file import GgufFile
from seekloop.compress.spec import GgufMethod
from seekloop.compress.weights import open_weights
from seekloop.system.errors import ModelError
from seekloop.system.progress import Silent


@pytest.mark.parametrize("precision", ["f32", "f16", "bf16", "q8_0", "q4_1", "q4_0", "iq4_nl", "q4_k"])
def test_a_changed_weight_is_found(ctx, tiny, tmp_path, precision):
    path = tmp_path / "model.gguf"
    with open_weights(tiny, store=ctx.store) as weights, Silent().task("write") as task:
        layout = layout_of(weights.config)
        tensors = plan(layout, weights, method=GgufMethod(precision=precision), progress=Silent())
        file = GgufFile(layout=layout, weights=weights, tensors=tensors, pairs={}, precision=precision, importance={})
        file.write(path, task)
        file.check(path, task)
        data = bytearray(path.read_bytes())
        data[-1] ^= 0x55
        path.write_bytes(data)
        with pytest.raises(ModelError) as caught:
            file.check(path, task)
    assert caught.value.code == "compress.not_the_same"
    assert caught.value.facts["name"] == tensors[-1].name
