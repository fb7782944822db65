from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from seekloop.compress.merge import check_logits
from seekloop.compress.spec import GgufMethod, MergeMethod
from seekloop.runtime import models
from seekloop.system.errors import ModelError


def test_a_merged_model_has_the_adapters_logits_and_not_the_bases(ctx, tiny, adapter, compress):
    merged = compress(adapter, MergeMethod())
    ids = torch.arange(60)[None]
    with torch.inference_mode():
        base, wanted, got = (models.load(one, store=ctx.store)(ids).logits for one in (tiny, adapter, merged))
    assert (wanted - got).abs().max() < 1e-5
    assert (wanted - base).abs().max() > 0.01


def test_a_merged_checkpoint_says_where_it_came_from(ctx, tiny, adapter, compress):
    merged = compress(adapter, MergeMethod())
    assert merged.parents == {"checkpoint": adapter.id, "base": tiny.id}
    assert (merged.form, merged.precision, merged.trained_tokens) == ("full", "f32", 11)
    assert merged.parameters == tiny.parameters
    assert {"config.json", "model.safetensors", "codec.json", "tokenizer.json"} <= set(merged.files)
    assert ctx.store.verify(merged.id) == merged


def test_merging_twice_gives_the_same_id(adapter, compress):
    assert compress(adapter, MergeMethod()).id == compress(adapter, MergeMethod()).id


def test_a_merge_that_changed_the_model_is_refused(ctx, adapter, compress, tmp_path):
    merged = ctx.store.folder(compress(adapter, MergeMethod()).id)
    weights = load_file(merged / "model.safetensors")
    weights["model.layers.1.mlp.down_proj.weight"][3, 5] += 0.01
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_bytes((merged / "config.json").read_bytes())
    with pytest.raises(ModelError) as caught:
        check_logits(adapter, tmp_path, store=ctx.store)
    assert caught.value.code == "compress.logits_differ"


def test_what_has_no_adapter_is_not_merged(tiny, compress):
    with pytest.raises(ModelError) as caught:
        compress(tiny, MergeMethod())
    assert caught.value.code == "compress.nothing_to_merge"


def test_what_is_compressed_is_not_compressed_again(tiny, compress):
    with pytest.raises(ModelError) as caught:
        compress(compress(tiny, GgufMethod()), GgufMethod())
    assert caught.value.code == "compress.compressed"
