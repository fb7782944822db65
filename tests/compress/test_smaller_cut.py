"""Cutting a model: what stays computes what it computed before, in every family, and configs keep their own rules."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    DeepseekV2Config,
    DeepseekV3Config,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    Qwen2Config,
)

from seekloop.compress.smaller.cut import cut, spaced
from seekloop.compress.smaller.importance import measure
from seekloop.compress.smaller.shape import Shape, Shares, narrowed
from seekloop.model.codec import View
from seekloop.system.errors import ModelError
from seekloop.system.progress import Silent

PLAIN = {
    "vocab_size": 64,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
LATENT = PLAIN | {
    "num_key_value_heads": 4,
    "kv_lora_rank": 32,
    "q_lora_rank": 32,
    "qk_rope_head_dim": 32,
    "qk_nope_head_dim": 32,
    "v_head_dim": 32,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "moe_intermediate_size": 64,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
}
GEMMA = Gemma3TextConfig(**PLAIN, head_dim=16)
DENSE = [LlamaConfig(**PLAIN), Qwen2Config(**PLAIN), GEMMA]
SPARSE = [DeepseekV2Config(**LATENT), DeepseekV3Config(**LATENT)]
VIEWS = [
    View(
        row=str(at),
        turn=0,
        ids=tuple(range(3 + at, 20 + 2 * at)),
        labels=(-100,) * 9 + tuple(range(12 + at, 20 + 2 * at)),
    )
    for at in range(4)
]
IDS = torch.arange(12)[None]


def model_of(config):
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)


def measured(model, by="taylor"):
    return measure(model, VIEWS, by=by, budget=64, pad=0, progress=Silent())


@pytest.mark.parametrize("config", [*DENSE, *SPARSE], ids=lambda config: config.model_type)
def test_a_cut_to_its_own_shape_changes_nothing(config):
    model = model_of(config)
    same = cut(model, Shape.of(config), by=measured(model))
    assert torch.equal(same(IDS).logits, model(IDS).logits)


@pytest.mark.parametrize("by", ["taylor", "activation"])
@pytest.mark.parametrize("config", DENSE, ids=lambda config: config.model_type)
def test_a_dead_group_and_dead_channels_go_without_a_trace(config, by):
    model = model_of(config)
    with torch.no_grad():
        for layer in model.get_decoder().layers:
            layer.self_attn.o_proj.weight[:, 32:] = 0
            layer.self_attn.v_proj.weight[16:] = 0
            layer.mlp.down_proj.weight[:, ::2] = 0
            layer.mlp.up_proj.weight[::2] = 0
    shape = narrowed(config, Shares(groups=0.5, channels=0.5))
    made = cut(model, shape, by=measured(model, by))
    assert (shape.heads, shape.groups, shape.channels) == (2, 1, 64)
    assert torch.allclose(made(IDS).logits, model(IDS).logits, atol=1e-5)


@pytest.mark.parametrize("config", SPARSE, ids=lambda config: config.model_type)
def test_experts_that_no_token_goes_to_are_taken_first(config):
    model = model_of(config)
    by = measured(model)
    made = cut(model, narrowed(config, Shares(experts=0.5, layers=0.25)), by=by, layers=(0, 1, 3))
    kept = made.get_decoder().layers[1].mlp.experts.down_proj
    best = sorted(by.experts[1].topk(2).indices.tolist())
    assert torch.equal(kept, model.get_decoder().layers[1].mlp.experts.down_proj[best])
    assert torch.isfinite(made(IDS).logits).all()


def test_a_layer_that_does_nothing_is_the_first_to_go():
    model = model_of(LlamaConfig(**PLAIN))
    idle = model.get_decoder().layers[2]
    with torch.no_grad():
        idle.self_attn.o_proj.weight.zero_()
        idle.mlp.down_proj.weight.zero_()
    made = cut(model, narrowed(model.config, Shares(layers=0.25)), by=measured(model))
    assert torch.allclose(made(IDS).logits, model(IDS).logits, atol=1e-5)


def test_a_narrower_residual_stream_opens():
    model = model_of(Qwen2Config(**PLAIN))
    made = cut(model, narrowed(model.config, Shares(hidden=0.5)), by=measured(model))
    assert made.get_input_embeddings().weight.shape == (64, 32)
    assert torch.isfinite(made(IDS).logits).all()


def test_thirty_percent_of_nine_heads_are_three():
    config = LlamaConfig(**PLAIN | {"hidden_size": 576, "num_attention_heads": 9, "num_key_value_heads": 3})
    assert narrowed(config, Shares(heads=0.3)).heads == 6


@pytest.mark.parametrize(
    ("config", "shares"),
    [(SPARSE[0], Shares(heads=0.5)), (SPARSE[1], Shares(experts=0.9)), (DENSE[0], Shares(experts=0.5))],
)
def test_what_a_family_cannot_do_is_refused(config, shares):
    with pytest.raises(ModelError) as caught:
        narrowed(config, shares)
    assert caught.value.code == "compress.no_such_shape"


def test_unknown_architectures_are_refused():
    with pytest.raises(ModelError) as caught:
        Shape.of(GPT2Config())
    assert caught.value.code == "compress.cut_unknown"


def test_spaced_layers_hold_the_first_and_the_last():
    assert spaced(30, 15) == (0, 2, 4, 6, 8, 10, 12, 15, 17, 19, 21, 23, 25, 27, 29)
    assert spaced(4, 4) == (0, 1, 2, 3)
