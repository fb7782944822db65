"""Every low-rank method in every architecture: trained, committed, opened, merged with equal logits, trained on."""

from __future__ import annotations

import logging
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.compress.spec import CompressInputs, CompressSpec, MergeMethod
from seekloop.compress.stage import run as compress
from seekloop.runtime import models
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.quantised import QuantisedLinear
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import SeekloopError
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.runtime.train.making import dataset, rows

IDS = torch.arange(30).unsqueeze(0)
METHODS: dict[str, Any] = {
    "lora": {"rank": 4},
    "dora": {"type": "dora", "rank": 4},
    "rslora": {"type": "rslora", "rank": 4},
    "pissa": {"type": "pissa", "rank": 4},
    "lora_plus": {"type": "lora_plus", "rank": 4},
    "lora_mlp": "lora_mlp",
    "qlora": {"type": "qlora", "rank": 4},
    "qlora-double": {"type": "qlora", "rank": 4, "double_quantisation": True},
    "qlora-int8": {"type": "lora", "base": "int8", "rank": 4},
    "qdora": {"type": "dora", "base": "nf4", "rank": 4},
    "ia3": {"type": "peft", "peft_type": "IA3"},
    "oft": {"type": "peft", "peft_type": "oft", "config": {"oft_block_size": 8, "target_modules": ["o_proj"]}},
    "vera": {"type": "peft", "peft_type": "VERA", "config": {"r": 8, "target_modules": ["o_proj"]}},
    "miss": {"type": "peft", "peft_type": "MISS", "config": {"r": 4}},
}
EVERYWHERE = [(family, name) for family in ("smollm2", "qwen2") for name in ("dora", "qlora")]
EVERYWHERE += [(family, name) for family in ("deepseek-v2", "deepseek-v3") for name in METHODS]


@pytest.fixture
def data(ctx: RunContext) -> Dataset:
    return dataset(ctx, train=rows(8))


def _tune(ctx: RunContext, data: Dataset, checkpoint: Checkpoint, method: Any, **spec: Any) -> Checkpoint:
    given = {"epochs": 1, "rows_per_step": 4, "learning_rate": 0.01, "method": method, **spec}
    return run(TuneSpec.parse(given), TuneInputs(dataset=data, checkpoint=checkpoint), ctx=ctx)


def _logits(ctx: RunContext, checkpoint: Checkpoint) -> torch.Tensor:
    with torch.no_grad():
        return models.load(checkpoint, store=ctx.store)(input_ids=IDS).logits


def _merged(ctx: RunContext, checkpoint: Checkpoint) -> Checkpoint:
    return compress(CompressSpec(method=MergeMethod()), CompressInputs(checkpoint=checkpoint), ctx=ctx)


@pytest.mark.parametrize(("family", "name"), EVERYWHERE)
def test_a_method_trains_opens_and_merges_with_equal_logits(
    ctx: RunContext, data: Dataset, family: str, name: str
) -> None:
    base = tiny_base(ctx, family=family)
    tuned = _tune(ctx, data, base, METHODS[name], max_steps=1)
    wanted = _logits(ctx, tuned)
    assert tuned.form == "adapter"
    assert not torch.equal(wanted, _logits(ctx, base))
    merged = _merged(ctx, tuned)
    torch.testing.assert_close(_logits(ctx, merged), wanted, rtol=1e-4, atol=1e-5)
    names = [name for name in models.load(merged, store=ctx.store).state_dict() if ".gate." in name]
    before, after = (models.load(each, store=ctx.store).state_dict() for each in (base, merged))
    assert bool(names) == family.startswith("deepseek"), "the routers"
    assert all(torch.equal(before[name], after[name]) for name in names)


@pytest.mark.parametrize("name", ["lora", "dora", "rslora", "pissa", "ia3", "miss"])
def test_peft_gives_the_same_logits_on_latent_attention_and_experts(ctx: RunContext, data: Dataset, name: str) -> None:
    # PEFT 0.21 takes the names of feed-forward layers in such a model for those of its fused experts.
    base, method = tiny_base(ctx, family="deepseek-v3"), METHODS[name]
    attention = {} if method.get("type") == "peft" else {"targets": "attention"}
    tuned = _tune(ctx, data, base, method | attention, max_steps=1)
    stock = AutoModelForCausalLM.from_pretrained(ctx.store.folder(base.id), dtype=torch.float32)
    theirs = peft.PeftModel.from_pretrained(stock, ctx.store.folder(tuned.id)).eval()
    with torch.no_grad():
        torch.testing.assert_close(theirs(input_ids=IDS).logits, _logits(ctx, tuned), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["dora", "pissa", "qlora-double", "vera"])
def test_the_same_inputs_give_the_same_adapter(ctx: RunContext, data: Dataset, name: str) -> None:
    base = tiny_base(ctx)
    first = _tune(ctx, data, base, METHODS[name], max_steps=1)
    assert _tune(ctx, data, base, METHODS[name], max_steps=1).id == first.id


@pytest.mark.parametrize("name", ["dora", "pissa", "lora_mlp", "qlora", "qdora", "ia3", "vera"])
def test_an_adapter_is_trained_on_from_where_it_was(ctx: RunContext, data: Dataset, name: str) -> None:
    base = tiny_base(ctx)
    first = _tune(ctx, data, base, METHODS[name])
    second = _tune(ctx, data, first, METHODS[name], learning_rate=1e-7)
    assert second.parents["parent"] == first.id
    assert second.parents["base"] == base.id
    torch.testing.assert_close(_logits(ctx, second), _logits(ctx, first), rtol=1e-3, atol=1e-3)


def test_what_was_trained_in_four_bits_is_opened_in_four_bits(
    ctx: RunContext, data: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tuned = _tune(ctx, data, tiny_base(ctx), METHODS["qlora"])
    layers = [each for each in models.load(tuned, store=ctx.store).modules() if isinstance(each, QuantisedLinear)]
    assert len(layers) == 14
    assert "the base is held in nf4" in caplog.text


@pytest.mark.parametrize(
    ("first", "then", "key"),
    [
        ("lora", {"base": "nf4"}, "base"),
        ("qlora", {"base": "int8"}, "base"),
        ("lora", {"dora": True}, "dora"),
        ("dora", {"layers": [0]}, "layers"),
        ("pissa", {"rank": 4}, "rank"),
        ("ia3", {"type": "peft", "peft_type": "OFT"}, "peft_type"),
        ("vera", {"type": "peft", "peft_type": "VERA", "config": {"r": 4}}, "r"),
    ],
)
def test_an_adapter_does_not_become_another(
    ctx: RunContext, data: Dataset, first: str, then: dict[str, Any], key: str
) -> None:
    tuned = _tune(ctx, data, tiny_base(ctx), METHODS[first], max_steps=1)
    with pytest.raises(SeekloopError, match=rf"method\.{key} ") as refused:
        _tune(ctx, data, tuned, then)
    assert refused.value.code == "tune.not_inherited"


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ({"type": "peft", "peft_type": "OFF"}, "train.peft_kind"),
        ({"type": "peft", "peft_type": "ADALORA"}, "tune.no_adalora"),
        ({"type": "peft", "peft_type": "PREFIX_TUNING"}, "train.peft_kind"),
        ({"type": "peft", "peft_type": "OFT", "config": {"block_size": 8}}, "train.peft_key"),
        ({"type": "peft", "peft_type": "C3A", "config": {"block_size": 7}}, "train.peft_refused"),
    ],
)
def test_what_peft_does_not_take_is_refused_with_the_reason(
    ctx: RunContext, data: Dataset, method: dict[str, Any], code: str
) -> None:
    with pytest.raises(SeekloopError) as refused:
        _tune(ctx, data, tiny_base(ctx), method)
    assert refused.value.code == code


def test_a_mistyped_key_of_peft_is_answered_with_the_likely_one(ctx: RunContext, data: Dataset) -> None:
    with pytest.raises(SeekloopError, match="did you mean oft_block_size"):
        _tune(ctx, data, tiny_base(ctx), {"type": "peft", "peft_type": "OFT", "config": {"oft_blocksize": 8}})


def test_what_peft_cannot_merge_is_refused(ctx: RunContext, data: Dataset) -> None:
    tuned = _tune(ctx, data, tiny_base(ctx), {"type": "peft", "peft_type": "LILY"}, max_steps=1)
    with pytest.raises(SeekloopError) as refused:
        _merged(ctx, tuned)
    assert refused.value.code == "train.not_mergeable"


def test_an_engine_answers_from_the_rounded_base(ctx: RunContext, data: Dataset) -> None:
    tuned = _tune(ctx, data, tiny_base(ctx), METHODS["qlora"], max_steps=1)
    prompts = [Prompt(ids=tuple(range(40, 60)), stop_ids=frozenset(), max_tokens=8)]
    answers = []
    for checkpoint in (tuned, _merged(ctx, tuned)):
        with open_backend(checkpoint, store=ctx.store) as backend:
            answers.append(dict(backend.generate(prompts))[0].ids)
    assert answers[0] == answers[1]


def test_a_base_is_not_swapped_for_one_that_merely_fits(ctx: RunContext, data: Dataset) -> None:
    qlora = _tune(ctx, data, tiny_base(ctx), METHODS["qlora"], max_steps=1)
    full = models.load(tiny_base(ctx), store=ctx.store)
    peft.PeftModel.from_pretrained(full, ctx.store.folder(qlora.id))
    with torch.no_grad():
        assert not torch.allclose(full(input_ids=IDS).logits, _logits(ctx, qlora), atol=1e-4)
