"""AdaLoRA is refused under every name that it has; one that PEFT made opens with PEFT's logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from seekloop.artifact.context import RunContext
from seekloop.runtime import models
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.train.methods.adapters import open_adapter
from seekloop.system.errors import UsageError
from seekloop.tune.spec import TuneSpec


@pytest.mark.parametrize(
    "spec",
    [
        {"method": "adalora"},
        {"method": {"type": "adalora", "rank": 4}},
        {"finetuning_type": "adalora"},
        {"method": {"type": "peft", "peft_type": "AdaLoRA", "config": {"total_step": 10}}},
    ],
)
def test_adalora_is_refused_by_its_name(spec: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse(spec)
    assert caught.value.code == "tune.no_adalora"


def test_an_adalora_adapter_of_peft_opens_with_its_logits(ctx: RunContext, tmp_path: Path) -> None:
    base, ids = tiny_base(ctx), torch.arange(20)[None]
    stock = AutoModelForCausalLM.from_pretrained(ctx.store.folder(base.id), dtype=torch.float32)
    config = peft.AdaLoraConfig(init_r=6, target_r=2, total_step=10, target_modules=["q_proj", "up_proj"])
    theirs = peft.get_peft_model(stock, config)
    with torch.no_grad():
        for name, value in theirs.named_parameters():
            if "lora_" in name:
                value.normal_(std=0.1)
    theirs.save_pretrained(tmp_path)
    ours = models.load(base, store=ctx.store)
    open_adapter(ours, tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(
            ours(input_ids=ids).logits, theirs.eval()(input_ids=ids).logits, rtol=1e-4, atol=1e-5
        )
