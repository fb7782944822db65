from __future__ import annotations

import ast

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from seekloop.model.families import card, cards, for_config
from seekloop.model.template import source_of
from seekloop.system.errors import ModelError
from tests.contracts.source import modules

PUBLISHED = [
    ("smollm2", "HuggingFaceTB/SmolLM2-135M-Instruct", "llama", 49152),
    ("llama3", "meta-llama/Meta-Llama-3-8B-Instruct", "llama", 128256),
    ("qwen2", "Qwen/Qwen2-7B-Instruct", "qwen2", 152064),
    ("qwen2.5", "Qwen/Qwen2.5-0.5B-Instruct", "qwen2", 151936),
    ("deepseek-llm", "deepseek-ai/deepseek-llm-7b-chat", "llama", 102400),
    ("deepseek-coder", "deepseek-ai/deepseek-coder-6.7b-instruct", "llama", 32256),
    ("deepseek-v2", "deepseek-ai/DeepSeek-V2-Lite-Chat", "deepseek_v2", 102400),
    ("deepseek-v3", "deepseek-ai/DeepSeek-V3", "deepseek_v3", 129280),
    ("r1-distill-qwen", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "qwen2", 152064),
    ("r1-distill-llama", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "llama", 128256),
]


def test_every_card_has_a_published_model_in_this_test():
    assert sorted(name for name, *_ in PUBLISHED) == [each.name for each in cards()]


@pytest.mark.parametrize(("name", "repository", "kind", "vocab"), PUBLISHED)
def test_a_family_is_told_by_its_config_and_repository(name, repository, kind, vocab):
    config = {"model_type": kind, "vocab_size": vocab, "architectures": [card(name).architectures[0]]}
    assert for_config(config, name=repository).name == name


@pytest.mark.parametrize("name", ["smollm2", "deepseek-llm", "deepseek-coder", "deepseek-v2", "deepseek-v3"])
def test_a_vocabulary_size_tells_families_of_one_architecture_apart(name):
    config = {"model_type": card(name).model_types[0], "vocab_size": card(name).vocab_sizes[0]}
    assert for_config(config).name == name


def test_control_tokens_tell_a_distilled_llama_from_a_llama():
    config = {"model_type": "llama", "vocab_size": 128256}
    assert for_config(config, tokens=card("r1-distill-llama").tokens.all).name == "r1-distill-llama"
    assert for_config(config, tokens=card("llama3").tokens.all).name == "llama3"


def test_a_config_that_fits_several_families_is_refused_with_their_names():
    with pytest.raises(ModelError) as caught:
        for_config({"model_type": "llama", "vocab_size": 128256})
    assert caught.value.code == "model.family_unclear"
    assert "llama3, r1-distill-llama" in str(caught.value)


@pytest.mark.parametrize(
    "config", [{"model_type": "mamba"}, {}, {"model_type": "llama", "architectures": ["LlamaForTokenClassification"]}]
)
def test_an_architecture_without_a_card_is_refused(config):
    with pytest.raises(ModelError) as caught:
        for_config(config)
    assert caught.value.code == "model.unknown_architecture"


def test_an_unknown_family_is_answered_with_the_nearest_name():
    with pytest.raises(ModelError, match="did you mean deepseek-v3"):
        card("deepseek_v3")


@pytest.mark.parametrize("each", cards(), ids=lambda each: each.name)
def test_a_card_trains_the_token_that_stops_it(each):
    assert each.tokens.eos in each.tokens.stops


@pytest.mark.parametrize("each", cards(), ids=lambda each: each.name)
def test_a_template_uses_only_control_tokens_of_its_card(each):
    used = {token for other in cards() for token in other.tokens.all if token in source_of(each)}
    assert used <= {*each.tokens.all, "<think>", "<tool_call>", "</tool_call>"} or each.reasoning == "opened"


@pytest.mark.parametrize("each", cards(), ids=lambda each: each.name)
def test_adapters_go_on_linear_layers_that_the_architecture_has_and_never_on_head_or_router(each):
    small = {"num_hidden_layers": 2, "hidden_size": 64, "vocab_size": 320, "n_routed_experts": 4, "n_group": 1}
    config = AutoConfig.for_model(each.model_types[0], **small, first_k_dense_replace=1, intermediate_size=96)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    linear = {name.split(".")[-1] for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)}
    # V2-Lite has one query projection, V2 and V3 have two.
    assert linear - {"lm_head"} <= set(each.lora_targets) <= linear | {"q_proj", "q_a_proj", "q_b_proj"}


def test_no_code_branches_on_the_name_of_a_family():
    # Architectures and rotary scalings may be told apart; `qwen2` is also the one, `llama3` also the other.
    names = {each.name for each in cards()} - {kind for each in cards() for kind in each.model_types} - {"llama3"}
    branches = [
        f"{module}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Compare | ast.MatchValue)
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and part.value in names
    ]
    assert branches == []
