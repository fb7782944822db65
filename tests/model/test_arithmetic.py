"""Counts against the models that transformers builds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from seekloop.model.arithmetic import Amount, kept_a_token, parameters, train_seconds
from seekloop.model.families import card
from seekloop.model.trained import Trained, everything, low_rank
from seekloop.system.errors import ModelError

SMOLLM2 = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
}
LATENT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "moe_intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_shared_experts": 2,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 24,
    "v_head_dim": 16,
    "first_k_dense_replace": 1,
    "vocab_size": 300,
    "n_group": 2,
    "topk_group": 1,
}
CONFIGS = [
    ("smollm2", "llama", SMOLLM2),
    ("llama3", "llama", {**SMOLLM2, "tie_word_embeddings": False, "head_dim": 32, "attention_bias": True}),
    ("llama3", "llama", {**SMOLLM2, "mlp_bias": True, "num_key_value_heads": 9}),
    ("qwen2", "qwen2", SMOLLM2),
    ("deepseek-v2", "deepseek_v2", {**LATENT, "q_lora_rank": None}),
    ("deepseek-v2", "deepseek_v2", {**LATENT, "q_lora_rank": 24, "n_shared_experts": 1}),
    ("deepseek-v3", "deepseek_v3", {**LATENT, "q_lora_rank": 24, "attention_bias": True}),
    ("deepseek-v3", "deepseek_v3", {**LATENT, "q_lora_rank": 24, "tie_word_embeddings": True}),
]


def build(kind: str, config: dict[str, object]) -> torch.nn.Module:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **config))


@pytest.mark.parametrize(("family", "kind", "config"), CONFIGS)
def test_parameters_are_those_of_the_model(family, kind, config):
    model = build(kind, config)
    assert parameters(model.config.to_dict()) == sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize(("family", "kind", "config"), CONFIGS)
def test_adapter_parameters_are_a_rank_each_way_on_every_linear_target(family, kind, config):
    model, targets = build(kind, config), card(family).lora_targets
    layers = [part for name, part in model.named_modules() if name.split(".")[-1] in targets]
    wanted = sum(8 * (part.in_features + part.out_features) for part in layers)
    config = model.config.to_dict()
    assert low_rank(config, lambda name: 8 * (name.split(".")[-1] in targets)).weights == wanted


def test_smollm2_has_the_published_number_of_parameters():
    assert parameters({"model_type": "llama", **SMOLLM2}) == 134_515_008


def kept_by_autograd(model: torch.nn.Module, ids: torch.Tensor) -> int:
    """Bytes that the layers' forward pass keeps for the backward pass, weights aside."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.get_decoder()(input_ids=ids, use_cache=False)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("full", [True, False])
def test_activations_are_what_autograd_keeps_within_a_tenth(full):
    sizes = {**SMOLLM2, "hidden_size": 192, "intermediate_size": 512, "num_attention_heads": 3, "head_dim": 64}
    config = AutoConfig.for_model("llama", **{**sizes, "num_hidden_layers": 4, "vocab_size": 64})
    model = AutoModelForCausalLM.from_config(config)
    for name, weight in model.named_parameters():
        weight.requires_grad_(full or "proj" in name)
    trained = replace(everything(config.to_dict()), own=full)
    kept = 4 * 256 * kept_a_token(config.to_dict(), trained)
    assert kept == pytest.approx(kept_by_autograd(model, torch.zeros(2, 128, dtype=torch.long)), rel=0.1)


def test_checkpointing_keeps_less_and_an_adapter_its_low_rank_products_too():
    config = {"model_type": "llama", **SMOLLM2}
    plain = Trained(weights=1, formula="")
    kept = kept_a_token(config, plain)
    assert kept_a_token(config, plain, checkpointing=True) < kept / 5
    adapter = low_rank(config, lambda name: 8 * name.endswith(("q_proj", "up_proj")))
    assert (adapter.width, kept_a_token(config, adapter)) == (30 * (2 * 8 + 2 * 576), kept + adapter.width)


def amount(labelled: int = 0, row_tokens: int = 0, **more: int) -> Amount:
    return Amount(tokens=1000, labelled=labelled, row_tokens=row_tokens, **more)


def test_seconds_are_six_operations_a_weight_and_token_in_full_training():
    config = {"model_type": "llama", **SMOLLM2}
    linear = parameters(config) - 49152 * 576 - 576 * 61
    seconds = train_seconds(config, everything(config), amount=amount(), flops=1e9)
    assert seconds == pytest.approx(6 * linear * 1000 / 1e9)


def test_only_labelled_tokens_pay_for_the_head_and_an_adapter_saves_a_third():
    config = {"model_type": "llama", **SMOLLM2}
    adapter = Trained(weights=1000, formula="")
    lean, head, full = (
        train_seconds(config, trained, amount=amount(labelled, 128), flops=1e9)
        for trained, labelled in ((adapter, 0), (adapter, 300), (everything(config), 0))
    )
    assert head - lean == pytest.approx(300 * 4 * 49152 * 576 / 1e9)
    assert lean / full == pytest.approx(2 / 3, rel=0.05)


def test_layers_below_the_trained_ones_are_computed_forward_and_once():
    config = {"model_type": "llama", **SMOLLM2}
    linear = parameters(config) - 49152 * 576 - 576 * 61
    last = Trained(weights=1, formula="", own=True, layers=6)
    once, thrice = (train_seconds(config, last, amount=amount(epochs=n), flops=1e9) for n in (1, 3))
    assert once == pytest.approx((6 / 5 + 2 * 4 / 5) * linear * 1000 / 1e9)
    assert thrice == pytest.approx((6 / 5 + 2 * 4 / 5 / 3) * linear * 1000 / 1e9)


def test_a_token_pays_only_for_the_experts_that_it_passes_through():
    config = {"model_type": "deepseek_v3", **LATENT, "q_lora_rank": 24}
    more = {"amount": amount(), "flops": 1e9}
    wider = {**config, "n_routed_experts": 16}
    assert parameters(wider) > parameters(config)
    assert train_seconds(wider, Trained(weights=1, formula=""), **more) == pytest.approx(
        train_seconds(config, Trained(weights=1, formula=""), **more)
    )


def test_a_config_without_a_size_names_it():
    with pytest.raises(ModelError, match="no hidden_size"):
        parameters({"model_type": "llama"})
    with pytest.raises(ModelError, match="mamba"):
        parameters({"model_type": "mamba"})
