"""Adapters are PEFT's: it opens ours, we open its, with the same logits; what is beyond plain LoRA is refused."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import peft
import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from seekloop.runtime.train.methods.lora import Lora, LoraConfig, open_adapter, read_config
from seekloop.runtime.train.methods.method import trainable
from seekloop.system.errors import ModelError
from tests.runtime.train.making import Bench

IDS = torch.arange(40).unsqueeze(0)


def _logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


def _ours(bench: Bench, folder: Path, scaling: str = "standard") -> nn.Module:
    """A model with a random adapter of ours, written to `folder`."""
    model = bench.model()
    method = bench.lora()
    config = LoraConfig(rank=4, alpha=8.0, targets=method.config.targets, scaling=scaling)
    method = type(method)(config=config)
    method.apply(model, seed=0)
    with torch.no_grad():
        for value in trainable(model).values():
            value.normal_(std=0.3, generator=torch.Generator().manual_seed(value.numel()))
    folder.mkdir(exist_ok=True)
    assert method.export(model, folder) == sum(value.numel() for value in trainable(model).values())
    return model


def _stock(bench: Bench) -> nn.Module:
    return AutoModelForCausalLM.from_pretrained(bench.ctx.store.folder(bench.base.id), dtype=torch.float32)


def _theirs(bench: Bench, folder: Path, **options: object) -> nn.Module:
    """A model with a random adapter of PEFT's, saved to `folder`."""
    given = {"target_modules": ["q_proj", "up_proj"], **options}
    config = peft.LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", **given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(_stock(bench), config)
        with torch.no_grad():
            for name, value in model.named_parameters():
                if "lora_" in name:
                    value.normal_(std=0.3)
        model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("scaling", ["standard", "rank_stabilised"])
def test_peft_opens_our_adapter_with_the_same_logits(bench: Bench, tmp_path: Path, scaling: str) -> None:
    ours = _ours(bench, tmp_path / "adapter", scaling)
    theirs = peft.PeftModel.from_pretrained(_stock(bench), tmp_path / "adapter").eval()
    torch.testing.assert_close(_logits(theirs), _logits(ours), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(_logits(ours), _logits(bench.model()), atol=1e-2)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="lora"),
        pytest.param({"use_rslora": True}, id="rslora"),
        pytest.param({"use_dora": True}, id="dora"),
        pytest.param({"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"layers.1.mlp.up_proj": 5}}, id="patterns"),
        pytest.param({"layers_to_transform": [1]}, id="layers"),
        pytest.param({"target_modules": r".*(q_proj|up_proj)"}, id="regex"),
        pytest.param({"exclude_modules": ["model.layers.0.self_attn.q_proj"]}, id="excluded"),
    ],
)
def test_adapters_of_peft_open_here_and_what_we_write_of_them_opens_there(
    bench: Bench, tmp_path: Path, options: dict[str, object]
) -> None:
    wanted = _logits(_theirs(bench, tmp_path / "adapter", **options).eval())
    ours = bench.model()
    config = open_adapter(ours, tmp_path / "adapter")
    torch.testing.assert_close(_logits(ours), wanted, rtol=1e-5, atol=1e-5)
    (tmp_path / "again").mkdir()
    Lora(config=config).export(ours, tmp_path / "again")
    back = peft.PeftModel.from_pretrained(_stock(bench), tmp_path / "again").eval()
    torch.testing.assert_close(_logits(back), wanted, rtol=1e-5, atol=1e-5)


def test_an_adapter_comes_back_from_its_folder_bit_by_bit(bench: Bench, tmp_path: Path) -> None:
    ours = _ours(bench, tmp_path / "adapter")
    again = bench.model()
    open_adapter(again, tmp_path / "adapter")
    assert torch.equal(_logits(ours), _logits(again))


@pytest.mark.parametrize("options", [{"bias": "lora_only"}, {"init_lora_weights": "pissa"}])
def test_what_is_beyond_plain_lora_is_refused_by_name(bench: Bench, tmp_path: Path, options: dict[str, object]) -> None:
    _theirs(bench, tmp_path / "adapter", **options)
    with pytest.raises(ModelError) as caught:
        read_config(tmp_path / "adapter")
    assert caught.value.code == "train.adapter_unsupported"
    assert next(iter(options)) in str(caught.value)


def test_a_key_that_a_later_peft_adds_is_refused_once_it_is_used(bench: Bench, tmp_path: Path) -> None:
    _ours(bench, tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "use_next_thing": False}))
    assert read_config(tmp_path / "adapter").rank == 4
    path.write_text(json.dumps({**json.loads(path.read_text()), "use_next_thing": True}))
    with pytest.raises(ModelError, match="use_next_thing"):
        read_config(tmp_path / "adapter")


def test_an_adapter_of_another_base_is_refused(bench: Bench, tmp_path: Path) -> None:
    _ours(bench, tmp_path / "adapter")
    other = Bench(bench.ctx, "deepseek-v2").model()
    with pytest.raises(ModelError) as caught:
        open_adapter(other, tmp_path / "adapter")
    assert caught.value.code == "train.adapter_of_another_base"


def test_targets_that_the_model_lacks_are_refused_with_those_it_has(bench: Bench) -> None:
    method = bench.lora()
    lacking = type(method)(config=LoraConfig(rank=4, alpha=8.0, targets=("c_attn",)))
    with pytest.raises(ModelError, match="q_proj") as caught:
        lacking.apply(bench.model(), seed=0)
    assert caught.value.code == "train.no_target"
