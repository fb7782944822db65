"""The tune stage: the same inputs give the same checkpoint, which says what it was made from and opens again."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.runtime import models
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import SeekloopError
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.runtime.train.making import dataset, row, rows

IDS = torch.arange(30).unsqueeze(0)


@pytest.fixture
def base(ctx: RunContext) -> Checkpoint:
    return tiny_base(ctx)


@pytest.fixture
def data(ctx: RunContext) -> Dataset:
    return dataset(ctx, train=rows(8), validation=rows(2, first=30), test=rows(3, first=40))


def _tune(ctx: RunContext, data: Dataset, checkpoint: Checkpoint, **spec: Any) -> Checkpoint:
    given = {"epochs": 1, "rows_per_step": 4, "learning_rate": 0.02, "method": {"rank": 4}, **spec}
    return run(TuneSpec.parse(given), TuneInputs(dataset=data, checkpoint=checkpoint), ctx=ctx)


def _logits(ctx: RunContext, checkpoint: Checkpoint) -> torch.Tensor:
    with torch.no_grad():
        return models.load(checkpoint, store=ctx.store)(input_ids=IDS).logits


def test_the_same_inputs_give_the_same_id(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    assert _tune(ctx, data, base).id == _tune(ctx, data, base).id


def test_another_seed_gives_another_id(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    assert _tune(replace(ctx, seed=8), data, base).id != _tune(ctx, data, base).id


@pytest.mark.parametrize("method", ["lora", "full"])
def test_what_was_trained_is_what_opens(ctx: RunContext, data: Dataset, base: Checkpoint, method: str) -> None:
    tuned = _tune(ctx, data, base, method={"type": method})
    assert tuned.form == ("adapter" if method == "lora" else "full")
    assert not torch.allclose(_logits(ctx, tuned), _logits(ctx, base), atol=1e-3)
    ctx.store.verify(tuned.id)


def test_a_checkpoint_says_what_it_was_made_from(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    tuned = _tune(ctx, data, base)
    assert tuned.parents == {"dataset": data.id, "base": base.id}
    assert tuned.made_by.spec["method"]["rank"] == 4
    assert ctx.ledger.created(tuned.id) is not None
    state = json.loads(ctx.store.path(tuned.id, "trainer_state.json").read_text())
    assert tuned.trained_tokens == state["labelled_tokens"] > 0
    assert {"loss", "learning_rate", "step", "tokens"} <= state["log_history"][0].keys()


def test_the_receipt_says_what_it_took(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    cost = ctx.store.receipt(_tune(ctx, data, base).id).cost
    assert cost["steps"] == 2
    assert cost["tokens"] > cost["labelled_tokens"] > 0
    assert cost["tokens_per_s"] > 0


def test_peft_and_transformers_open_the_folder(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    tuned = _tune(ctx, data, base)
    stock = AutoModelForCausalLM.from_pretrained(ctx.store.folder(base.id), dtype=torch.float32)
    theirs = peft.PeftModel.from_pretrained(stock, ctx.store.folder(tuned.id)).eval()
    with torch.no_grad():
        torch.testing.assert_close(theirs(input_ids=IDS).logits, _logits(ctx, tuned), rtol=1e-5, atol=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(ctx.store.folder(tuned.id))
    assert tokenizer.eos_token_id == models.codec_of(tuned, store=ctx.store).eos_id


def test_transformers_opens_a_full_checkpoint(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    tuned = _tune(ctx, data, base, method="full")
    stock = AutoModelForCausalLM.from_pretrained(ctx.store.folder(tuned.id), dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(stock(input_ids=IDS).logits, _logits(ctx, tuned), rtol=1e-5, atol=1e-5)


def test_an_adapter_is_trained_on_with_its_base_and_says_so(
    ctx: RunContext, data: Dataset, base: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = _tune(ctx, data, base)
    more = dataset(ctx, train=rows(4, first=60))
    second = _tune(ctx, more, first, method={})
    assert second.parents == {"dataset": more.id, "base": base.id, "parent": first.id}
    assert second.trained_tokens > first.trained_tokens
    assert second.parameters == first.parameters
    assert "rank 4, alpha 8, standard" in caplog.text


def test_training_on_begins_where_the_adapter_was(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    first = _tune(ctx, data, base, epochs=4)
    second = _tune(ctx, data, first, learning_rate=1e-7)
    torch.testing.assert_close(_logits(ctx, second), _logits(ctx, first), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("method", "code"), [({"rank": 8}, "tune.not_inherited"), ("full", "tune.full_on_adapter")])
def test_what_an_adapter_cannot_become_is_refused(
    ctx: RunContext, data: Dataset, base: Checkpoint, method: Any, code: str
) -> None:
    first = _tune(ctx, data, base)
    with pytest.raises(SeekloopError) as caught:
        _tune(ctx, data, first, method=method)
    assert caught.value.code == code


def test_the_best_epoch_counts_only_its_own_tokens(ctx: RunContext, base: Checkpoint) -> None:
    data = dataset(ctx, train=rows(8), validation=[row(30, answer="zzzzzzzz")])
    last = _tune(ctx, data, base, epochs=3, method="full")
    best = _tune(ctx, data, base, epochs=3, method="full", keep="best")
    state = json.loads(ctx.store.path(best.id, "trainer_state.json").read_text())
    assert state["best_global_step"] < state["global_step"]
    assert best.trained_tokens < last.trained_tokens


def test_steps_can_be_limited(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    tuned = _tune(ctx, data, base, max_steps=1, epochs=50)
    assert ctx.store.receipt(tuned.id).cost["steps"] == 1


def test_a_refused_run_leaves_nothing_behind(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    before = ctx.store.list()
    with pytest.raises(SeekloopError):
        _tune(ctx, data, base, method="full", learning_rate=1e-30)
    assert ctx.store.list() == before
    assert list(ctx.store.root.glob("tmp/*")) == []
