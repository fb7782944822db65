from __future__ import annotations

import numpy as np
import pytest
from gguf import GGUFReader

from seekloop.runtime.generate.opaque import opaque_copy
from seekloop.system.errors import EngineError


def test_an_opaque_copy_has_the_same_weights_and_no_words(ctx, gguf):
    path = ctx.store.path(gguf.id, "model.gguf")
    with opaque_copy(path, stop_ids={5, 3}) as place:
        before, after = GGUFReader(path), GGUFReader(place)
        names = [tensor.name for tensor in before.tensors]
        assert [tensor.name for tensor in after.tensors] == names
        for one, other in zip(before.tensors, after.tensors, strict=True):
            assert np.array_equal(one.data, other.data)
        tokens = after.fields["tokenizer.ggml.tokens"].contents()
        assert tokens == [f"<{index}>" for index in range(len(tokens))]
        assert after.fields["tokenizer.ggml.eos_token_id"].contents() == 3
        assert after.fields["tokenizer.ggml.eot_token_id"].contents() == 5
        assert "tokenizer.chat_template" not in after.fields
        assert after.fields["llama.block_count"].contents() == 2


def test_a_copy_is_gone_with_its_block(ctx, gguf):
    with opaque_copy(ctx.store.path(gguf.id, "model.gguf"), stop_ids={3}) as place:
        assert place.exists()
    assert not place.exists()


@pytest.mark.parametrize("length", [0, 3, 24, 500, 5000])
def test_a_file_that_ends_early_is_refused(ctx, gguf, tmp_path, length):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(ctx.store.path(gguf.id, "model.gguf").read_bytes()[:length])
    with pytest.raises(EngineError) as caught, opaque_copy(cut, stop_ids={3}):
        pass
    assert caught.value.code == "runtime.not_gguf"
