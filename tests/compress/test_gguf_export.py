from __future__ import annotations

import json

import pytest
from gguf import GGUFReader

from seekloop.compress.spec import GgufMethod, MergeMethod
from seekloop.model import families
from seekloop.model.codec import Codec
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import ModelError

FAMILIES = [card.name for card in families.cards()]
EXACT = GgufMethod(precision="f32")
BITS = {"f32": 32, "f16": 16, "q8_0": 8.5, "q4_1": 5, "q4_0": 4.5}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


def reader(ctx, checkpoint) -> GGUFReader:
    return GGUFReader(ctx.store.path(checkpoint.id, "model.gguf"))


@pytest.mark.parametrize("family", FAMILIES)
def test_an_exact_export_answers_as_torch_in_every_family(compress, sharp, greedy, family):
    base = sharp(family)
    assert greedy(compress(base, EXACT)) == greedy(base)


def test_an_architecture_that_is_not_proven_is_refused_with_those_that_are(compress, sharp):
    with pytest.raises(ModelError, match="llava") as caught:
        compress(sharp("llama3", model_type="llava"), EXACT)
    assert caught.value.code == "compress.unknown_architecture"
    assert {"llama", "qwen3", "deepseek_v3"} <= set(caught.value.facts["known"].split(", "))


@pytest.mark.parametrize("rope", [LLAMA3, {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}])
def test_stretched_positions_are_stretched_the_same(compress, sharp, greedy, rope):
    stretched = sharp("llama3", rope_parameters=rope)
    assert greedy(compress(stretched, EXACT)) == greedy(stretched) != greedy(sharp("llama3"))


def test_positions_scaled_by_an_unproven_rule_are_refused(compress, sharp):
    dynamic = sharp("smollm2", rope_parameters={"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 2.0})
    with pytest.raises(ModelError) as caught:
        compress(dynamic, EXACT)
    assert caught.value.code == "compress.unknown_rope"


def test_an_adapter_is_exported_as_what_it_merges_to(ctx, tiny, adapter, compress, greedy):
    exported, merged = compress(adapter, EXACT), compress(adapter, MergeMethod())
    assert greedy(exported) == greedy(adapter) != greedy(tiny)
    for one, other in zip(reader(ctx, exported).tensors, reader(ctx, compress(merged, EXACT)).tensors, strict=True):
        assert one.name == other.name
        assert (one.data == other.data).all()
    assert exported.parents == {"checkpoint": adapter.id, "base": tiny.id}


@pytest.mark.parametrize("precision", BITS)
def test_a_form_is_as_small_as_its_format(ctx, tiny, compress, precision):
    exported = compress(tiny, GgufMethod(precision=precision))
    matrices = [
        tensor for tensor in reader(ctx, exported).tensors if tensor.name.startswith("blk") and len(tensor.shape) == 2
    ]
    assert sum(int(one.n_bytes) for one in matrices) * 8 == BITS[precision] * sum(
        int(one.n_elements) for one in matrices
    )
    assert (exported.form, exported.precision, exported.parameters) == ("gguf", precision, tiny.parameters)


def test_four_bit_forms_keep_an_eight_bit_embedding_unless_told(ctx, tiny, compress):
    for method, kind in (
        (GgufMethod(precision="q4_1"), "Q8_0"),
        (GgufMethod(precision="q4_1", embedding="f16"), "F16"),
    ):
        types = {tensor.name: tensor.tensor_type.name for tensor in reader(ctx, compress(tiny, method)).tensors}
        assert types["token_embd.weight"] == kind
        assert types["blk.0.ffn_up.weight"] == "Q4_1"
        assert types["blk.0.attn_norm.weight"] == "F32"


def test_a_tied_head_is_stored_once(ctx, tiny, compress):
    names = {tensor.name for tensor in reader(ctx, compress(tiny, EXACT)).tensors}
    assert "output.weight" not in names
    assert "output.weight" in {t.name for t in reader(ctx, compress(tiny_base(ctx, family="qwen2"), EXACT)).tensors}


def test_the_same_checkpoint_gives_the_same_bytes(tiny, compress):
    assert compress(tiny, GgufMethod()).id == compress(tiny, GgufMethod()).id


@pytest.mark.parametrize("family", ["smollm2", "r1-distill-qwen", "llama3"])
def test_the_file_carries_tokenizer_codec_and_stops(ctx, compress, family):
    base = tiny_base(ctx, family=family)
    exported = compress(base, EXACT)
    codec = Codec.open(ctx.store.folder(base.id))
    fields = {name: field.contents() for name, field in reader(ctx, exported).fields.items()}
    assert fields["tokenizer.ggml.eos_token_id"] == codec.eos_id
    assert fields["tokenizer.ggml.add_bos_token"] is False
    assert fields.get("tokenizer.ggml.bos_token_id") == codec.bos_id
    assert set(fields["seekloop.stop_token_ids"]) == codec.stop_ids
    assert (fields["seekloop.codec"], fields["seekloop.checkpoint"]) == (codec.digest, base.id)
    assert fields["tokenizer.chat_template"] == ctx.store.path(base.id, "chat_template.jinja").read_text("utf-8")
    vocab = json.loads(ctx.store.path(base.id, "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    assert {text: index for index, text in enumerate(fields["tokenizer.ggml.tokens"])}.items() >= vocab.items()
    assert Codec.open(ctx.store.folder(exported.id)).digest == codec.digest


def test_control_tokens_are_marked_but_not_those_that_people_see(ctx, compress):
    exported = compress(tiny_base(ctx, family="r1-distill-qwen"), EXACT)
    fields = reader(ctx, exported).fields
    kinds = dict(
        zip(fields["tokenizer.ggml.tokens"].contents(), fields["tokenizer.ggml.token_type"].contents(), strict=True)
    )
    assert (kinds["<｜User｜>"], kinds["<think>"], kinds["a"]) == (3, 4, 1)
    assert {kind for text, kind in kinds.items() if text.startswith("[PAD")} <= {5}
