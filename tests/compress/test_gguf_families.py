"""Every architecture that is exported, in an unmodified llama.cpp beside torch: the same probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    DeepseekV2Config,
    DeepseekV3Config,
    LlamaConfig,
    MistralConfig,
    Qwen2MoeConfig,
    Qwen3Config,
    Qwen3MoeConfig,
)

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.compress.spec import GgufMethod
from seekloop.model import families
from seekloop.model.codec import Codec
from seekloop.model.tokenizers import tiny_tokenizer
from seekloop.runtime.generate.likelihood import Fork
from seekloop.runtime.generate.open import open_scorer
from seekloop.runtime.originals import commit_original
from seekloop.runtime.weights import save_model
from seekloop.system.errors import ModelError

SHAPE = {
    "vocab_size": 352,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
QWEN3 = SHAPE | EXPERTS | {"norm_topk_prob": True}
LATENT = SHAPE | {
    "num_key_value_heads": 4,
    "kv_lora_rank": 32,
    "q_lora_rank": 24,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 24,
    "v_head_dim": 20,
    "n_routed_experts": 8,
    "num_experts_per_tok": 3,
    "n_shared_experts": 2,
    "moe_intermediate_size": 32,
    "first_k_dense_replace": 1,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "original_max_position_embeddings": 64,
    "beta_fast": 32,
    "beta_slow": 1,
}
LATENT_YARN = YARN | {"mscale": 0.7, "mscale_all_dim": 0.7}
FAMILIES = {
    "llama, biases": (LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True), "llama3"),
    "llama, yarn": (LlamaConfig(**SHAPE, rope_parameters=YARN), "deepseek-coder"),
    "llama, yarn, its own attention factor": (
        LlamaConfig(**SHAPE, rope_parameters=YARN | {"attention_factor": 1.5, "beta_fast": 16}),
        "deepseek-coder",
    ),
    "mistral, wide heads": (MistralConfig(**SHAPE, head_dim=32, sliding_window=None), "llama3"),
    "qwen3": (Qwen3Config(**SHAPE, head_dim=32, tie_word_embeddings=True), "qwen2.5"),
    "qwen2 experts": (
        Qwen2MoeConfig(**SHAPE, **EXPERTS, shared_expert_intermediate_size=64, norm_topk_prob=False),
        "qwen2.5",
    ),
    "qwen3 experts": (Qwen3MoeConfig(**SHAPE, **EXPERTS, head_dim=16, norm_topk_prob=True), "qwen2.5"),
    "deepseek v2": (
        DeepseekV2Config(**LATENT, routed_scaling_factor=4.0, rope_parameters=LATENT_YARN),
        "deepseek-v2",
    ),
    "deepseek v2 lite": (
        DeepseekV2Config(**(LATENT | {"q_lora_rank": None, "num_hidden_layers": 27})),
        "deepseek-v2",
    ),
    "deepseek v3": (
        DeepseekV3Config(**LATENT, n_group=4, topk_group=2, routed_scaling_factor=2.5, rope_parameters=LATENT_YARN),
        "deepseek-v3",
    ),
}
NOISE = 0.06
"""Nats in sums of some twenty: llama.cpp keeps keys and values in fp16. A wrong order of heads is off by a nat."""
EXACT = GgufMethod(precision="f32")
FORKS = [
    Fork(tuple(range(40, 40 + length)), tuple((one, one + 7, 3) for one in range(50, 130, 20))) for length in (3, 90)
]


@pytest.fixture
def original(ctx: RunContext) -> Callable[..., Checkpoint]:
    """A random model of a configuration, loud enough that heads, positions, biases and routers change what it says."""

    def make(config: Any, family: str) -> Checkpoint:
        codec = Codec.build(families.card(family), tiny_tokenizer(families.card(family)))
        torch.manual_seed(5)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.normal_(std=0.12 if weight.ndim > 1 else 0.1)
                if "norm" in name:
                    weight.add_(1.0)
                if ".q_" in name or ".k_" in name:
                    weight.mul_(3.0)
            for name, buffer in model.named_buffers():
                if name.endswith("e_score_correction_bias"):
                    buffer.normal_(std=0.3)
        with ctx.store.draft() as draft:
            save_model(model, draft.folder)
            codec.save(draft.folder)
            return commit_original(
                draft, ctx=ctx, store=ctx.store, spec={"source": "path:loud"}, family=family, parameters=1
            )

    return make


def scores(ctx: RunContext, checkpoint: Checkpoint) -> list[float]:
    """Log-probabilities of some ways to go on."""
    with open_scorer(checkpoint, store=ctx.store) as scorer:
        found = dict(scorer.score(FORKS))
    return [way.logprob for index in range(len(FORKS)) for way in found[index]]


@pytest.mark.parametrize("name", FAMILIES)
def test_llama_cpp_gives_what_torch_gives(ctx, compress, original, name):
    base = original(*FAMILIES[name])
    exported = compress(base, EXACT)
    assert scores(ctx, exported) == pytest.approx(scores(ctx, base), abs=NOISE)


@pytest.mark.parametrize(
    ("config", "code", "name"),
    [
        (Qwen2MoeConfig(**SHAPE, **EXPERTS, norm_topk_prob=True), "unknown_setting", "norm_topk_prob"),
        (Qwen3MoeConfig(**QWEN3, mlp_only_layers=[0]), "unknown_setting", "mlp_only_layers"),
        (DeepseekV2Config(**(LATENT | {"q_lora_rank": None})), "unknown_setting", "q_lora_rank"),
        (
            DeepseekV2Config(**LATENT, n_group=4, topk_group=2, topk_method="group_limited_greedy"),
            "unknown_setting",
            "topk_method",
        ),
        (LlamaConfig(**SHAPE, hidden_act="gelu"), "unknown_setting", "hidden_act"),
        (MistralConfig(**SHAPE, sliding_window=128), "sliding_window", None),
        (LlamaConfig(**SHAPE, rope_parameters=YARN | {"truncate": False}), "unknown_rope", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_llama_cpp_would_do_otherwise_is_refused(compress, original, config, code, name):
    with pytest.raises(ModelError) as caught:
        compress(original(config, "llama3"), EXACT)
    assert caught.value.code == f"compress.{code}"
    assert caught.value.facts.get("name") == name
