"""A public two-layer random model of any family: what tests and dry runs train, compress and serve in milliseconds."""

from __future__ import annotations

import torch
from transformers import (
    AutoModelForCausalLM,
    DeepseekV2Config,
    DeepseekV3Config,
    LlamaConfig,
    PreTrainedConfig,
    Qwen2Config,
)

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.model import families
from seekloop.model.codec import Codec
from seekloop.model.families import FamilyCard
from seekloop.model.tokenizers import tiny_tokenizer
from seekloop.runtime.originals import commit_original
from seekloop.runtime.weights import save_model
from seekloop.system.loading import one_at_a_time

__all__ = ["tiny_base"]

_context = 2048


def tiny_base(
    ctx: RunContext, *, family: str = "smollm2", seed: int = 0, layers: int = 2, hidden: int = 64
) -> Checkpoint:
    """Make and commit a random model of a family's architecture, with the family's codec on a tiny vocabulary.

    The same arguments give the same id in every project. All widths are multiples of 32, so block-quantised formats
    apply.

    Args:
        ctx: its store and ledger take the checkpoint.
        family: name of a family card.
        seed: of the random weights.
        layers: decoder layers; in the mixture-of-experts families all but the first have experts.
        hidden: width, a multiple of 64.

    Raises:
        ModelError: no such family.
    """
    card = families.card(family)
    codec = Codec.build(card, tiny_tokenizer(card))
    config = _config(card, codec, layers=layers, hidden=hidden)
    with one_at_a_time(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with ctx.store.draft() as draft:
        save_model(model, draft.folder)
        codec.save(draft.folder)
        return commit_original(
            draft,
            ctx=ctx,
            store=ctx.store,
            spec={"source": f"tiny:{family}", "seed": seed, "layers": layers, "hidden": hidden},
            family=card.name,
            parameters=model.num_parameters(),
        )


def _config(card: FamilyCard, codec: Codec, *, layers: int, hidden: int) -> PreTrainedConfig:
    shape = {
        "vocab_size": -(-codec.vocab_size // 32) * 32,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 32,
        "num_key_value_heads": max(1, hidden // 64),
        "max_position_embeddings": _context,
        "bos_token_id": codec.bos_id,
        "eos_token_id": codec.eos_id,
        "pad_token_id": codec.pad_id,
    }
    # Latent attention has no grouped keys; four experts, two of them at a time, from the second layer on.
    latent = {
        "num_key_value_heads": hidden // 32,
        "kv_lora_rank": 32,
        "q_lora_rank": 32,
        "qk_rope_head_dim": 32,
        "qk_nope_head_dim": 32,
        "v_head_dim": 32,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "n_shared_experts": 1,
        "moe_intermediate_size": hidden,
        "first_k_dense_replace": 1,
        "n_group": 1,
        "topk_group": 1,
    }
    match card.model_types[0]:
        case "llama":
            return LlamaConfig(**shape, tie_word_embeddings=card.tied_embeddings)
        case "qwen2":
            return Qwen2Config(**shape)
        case "deepseek_v2":
            return DeepseekV2Config(**{**shape, **latent})
        case "deepseek_v3":
            return DeepseekV3Config(**{**shape, **latent})
        case other:
            raise ValueError(f"no tiny model of architecture {other}")
