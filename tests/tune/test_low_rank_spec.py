"""Methods by name, other trainers' keys for them, and the rates to start from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.model import families
from seekloop.system.errors import UsageError
from seekloop.tune.aliases import PRESETS
from seekloop.tune.method_spec import LoraMethod
from seekloop.tune.methods.build import default_rate, rate_factors
from seekloop.tune.spec import TuneSpec

CARD = families.card("llama3")


def _lora(value: Any) -> LoraMethod:
    method = TuneSpec.parse(value).method
    assert isinstance(method, LoraMethod)
    return method


@pytest.mark.parametrize("name", PRESETS)
def test_a_name_is_settings_of_a_method_that_exists(name: str) -> None:
    assert _lora({"method": name}).model_dump(exclude_unset=True).items() >= {"type": "lora"}.items()


def test_what_stands_beside_a_name_wins() -> None:
    assert _lora({"method": {"type": "lora_mlp", "rank": 4}}) == LoraMethod(targets=("mlp",), rank=4)
    assert _lora({"adapter": "qlora", "lora_r": 8}) == LoraMethod(base="nf4", rank=8)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"use_dora": True}, {"dora": True}),
        ({"loraplus_lr_ratio": 16.0}, {"rate_ratio": 16.0}),
        ({"pissa_init": True}, {"init": "pissa"}),
        ({"pissa_init": False}, {"init": "kaiming"}),
        ({"init_lora_weights": "pissa_niter_16"}, {"init": "pissa"}),
        ({"init_lora_weights": True}, {"init": "kaiming"}),
        ({"layers_to_transform": 3}, {"layers": [3]}),
        (
            {"quantization_bit": 4, "quantization_type": "nf4", "double_quantization": True},
            {"base": "nf4", "double_quantisation": True},
        ),
        ({"quantization_bit": 8, "quantization_method": "bnb"}, {"base": "int8"}),
        ({"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": False}, {"base": "nf4"}),
        ({"load_in_8bit": True}, {"base": "int8"}),
        ({"load_in_4bit": False}, {}),
    ],
)
def test_other_names_mean_ours(given_: dict[str, Any], expected: dict[str, Any]) -> None:
    assert _lora(given_) == LoraMethod.parse(expected)


@pytest.mark.parametrize(
    ("given_", "key"),
    [
        ({"load_in_4bit": True, "bnb_4bit_quant_type": "fp4"}, "bnb_4bit_quant_type"),
        ({"quantization_bit": 3}, "method"),
        ({"method": {"init": "pissa", "base": "nf4"}}, "pissa"),
        ({"method": {"double_quantisation": True}}, "double_quantisation"),
        ({"method": {"base": "int8", "double_quantisation": True}}, "double_quantisation"),
        ({"load_in_4bit": True, "load_in_8bit": True}, "method.base"),
    ],
)
def test_what_does_not_go_together_is_refused(given_: dict[str, Any], key: str) -> None:
    with pytest.raises(UsageError, match=key):
        TuneSpec.parse(given_)


def test_groups_of_layers_are_the_familys_own() -> None:
    targets = families.card("deepseek-v3").lora_targets
    mlp = LoraMethod(targets="mlp").adapted(targets)
    attention = LoraMethod(targets=("attention",)).adapted(targets)
    assert set(mlp) == {"gate_proj", "up_proj", "down_proj"}
    assert {"kv_b_proj", "o_proj"} <= set(attention)
    assert set(mlp) | set(attention) == set(LoraMethod().adapted(targets)) == set(targets)
    assert LoraMethod(targets=("mlp", "q_proj")).adapted(targets) == (*mlp, "q_proj")


@pytest.mark.parametrize(
    ("method", "share"),
    [
        ({"rank": 16}, 1),
        ({"rank": 32}, 1),
        ({"rank": 64}, 1 / 2),
        ({"rank": 256}, 1 / 8),
        ({"rank_pattern": {"q_proj": 128}}, 1 / 4),
        ({"rank": 256, "scaling": "rank_stabilised"}, 1),
        ({"rate_ratio": 16.0}, 1 / 4),
        ({"dora": True}, 1),
        ({"init": "pissa"}, 1 / 4),
        ({"init": "pissa", "rank": 64}, 1 / 8),
        ({"base": "nf4"}, 1),
    ],
)
def test_the_rate_follows_method_and_rank(method: dict[str, Any], share: float) -> None:
    assert default_rate(_lora({"method": method}), CARD) == pytest.approx(CARD.learning_rates.lora * share)


def test_rates_of_other_methods() -> None:
    assert default_rate(TuneSpec.parse({"method": "full"}).method, CARD) == CARD.learning_rates.full
    for kind, rate in (("ia3", 1e-2), ("OFT", CARD.learning_rates.lora)):
        assert default_rate(TuneSpec.parse({"method": {"type": "peft", "peft_type": kind}}).method, CARD) == rate


@given(ratio=st.floats(1, 100))
def test_lora_plus_keeps_the_geometric_mean(ratio: float) -> None:
    method = LoraMethod(rate_ratio=ratio)
    a = default_rate(method, CARD)
    b = a * rate_factors(method).get("lora_B", 1.0)
    assert (a * b) ** 0.5 == pytest.approx(CARD.learning_rates.lora)
    assert b / a == pytest.approx(ratio)


def test_the_strength_is_that_of_rank_16_whichever_the_scaling() -> None:
    assert LoraMethod(rank=16).strength / 16 == LoraMethod(rank=16, scaling="rank_stabilised").strength / 4 == 2
