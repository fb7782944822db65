"""The folders that we write, opened by unmodified transformers with compressed-tensors."""

from __future__ import annotations

import json

import pytest
import torch
from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationConfig
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from seekloop.compress.packed.spec import Int8WeightsMethod, W4A16Method, W8A8Method
from seekloop.runtime.packed import open_packed, read_layers
from seekloop.runtime.weights import quiet

IDS = torch.arange(3, 51).view(2, 24)


def logits_of_theirs(folder):
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    with torch.inference_mode():
        return model(IDS).logits


def logits_of_ours(checkpoint, ctx):
    with torch.inference_mode():
        return open_packed(ctx.store.folder(checkpoint.id))(IDS).logits


# transformers unpacks fused experts in the type of their scales, bf16, and everything else in fp32.
@pytest.mark.parametrize(
    ("family", "near"), [("smollm2", 1e-6), ("qwen2.5", 1e-6), ("deepseek-v2", 5e-4), ("deepseek-v3", 5e-4)]
)
def test_transformers_reads_the_same_model_from_4_bits(family, near, ctx, sharp, compress):
    made = compress(sharp(family), W4A16Method(rounding="nearest"))
    theirs, ours = logits_of_theirs(ctx.store.folder(made.id)), logits_of_ours(made, ctx)
    assert (theirs - ours).abs().max() <= near * theirs.abs().max()


# Sums of whole numbers are exact and theirs in fp32 are not: an input between two codes may fall to the other.
@pytest.mark.parametrize(
    ("method", "near"),
    [
        (W4A16Method(rounding="nearest", group="channel", dtype="fp16"), 1e-6),
        (Int8WeightsMethod(), 1e-6),
        (Int8WeightsMethod(group=32, dtype="fp16"), 1e-6),
        (W8A8Method(), 5e-3),
    ],
    ids=["channel", "w8a16", "w8a16-groups", "w8a8"],
)
def test_transformers_reads_the_same_model_from_every_layout(method, near, ctx, tiny, compress):
    made = compress(tiny, method)
    theirs, ours = logits_of_theirs(ctx.store.folder(made.id)), logits_of_ours(made, ctx)
    assert (theirs - ours).abs().max() <= near * theirs.abs().max()


def test_their_unpacking_of_zero_points_gives_our_values(ctx, tiny, compress):
    folder = ctx.store.folder(compress(tiny, W4A16Method(rounding="nearest", symmetric=False, group=32)).id)
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    scheme = QuantizationConfig.model_validate(config).config_groups["group_0"]
    tensors = load_file(folder / "model.safetensors")
    for name, value in read_layers(folder):
        parts = ("weight_packed", "weight_scale", "weight_zero_point", "weight_shape")
        told = {part: tensors[f"{name}.{part}"] for part in parts}
        told["weight_scale"] = told["weight_scale"].float()
        assert torch.equal(PackedQuantizationCompressor.decompress(told, scheme)["weight"], value)


def test_engines_find_the_names_that_they_look_for(ctx, sharp, compress):
    made = compress(sharp("deepseek-v3"), W4A16Method(rounding="nearest"))
    with safe_open(ctx.store.path(made.id, "model.safetensors"), framework="pt") as file:
        names, metadata = set(file.keys()), file.metadata()
    expert = "model.layers.1.mlp.experts.3.gate_proj"
    assert {f"{expert}.{part}" for part in ("weight_packed", "weight_scale", "weight_shape")} <= names
    assert {"lm_head.weight", "model.embed_tokens.weight", "model.layers.1.mlp.gate.weight"} <= names
    assert f"{expert}.weight" not in names and metadata == {"format": "pt"}
