"""The tiny model: public, the same everywhere, of the right architecture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.model import families
from seekloop.runtime import models
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import ModelError


def test_its_id_depends_on_its_arguments_and_on_nothing_else(ctx: RunContext, tmp_path: Path) -> None:
    first = tiny_base(ctx)
    ledger = Ledger.in_folder(tmp_path / "other")
    other = replace(ctx, store=Store(tmp_path / "other" / "store"), ledger=ledger, seed=99)
    assert tiny_base(other).id == first.id
    assert tiny_base(ctx, seed=1).id != first.id
    ledger.close()


@pytest.mark.parametrize("name", [card.name for card in families.cards()])
def test_every_family_has_one_with_its_codec_and_targets(ctx: RunContext, name: str) -> None:
    base = tiny_base(ctx, family=name)
    model, codec = models.load(base, store=ctx.store), models.codec_of(base, store=ctx.store)
    card = families.card(name)
    assert codec.card == card
    assert model.config.model_type in card.model_types
    leaves = {layer.rpartition(".")[2] for layer, _ in model.named_modules()}
    assert leaves & set(card.lora_targets)
    assert model(input_ids=torch.tensor([[codec.eos_id, 5, 6]])).logits.shape[-1] >= codec.vocab_size


def test_every_width_can_be_quantised_in_blocks_of_32(ctx: RunContext) -> None:
    base = tiny_base(ctx)
    weights = models.load(base, store=ctx.store).state_dict()
    assert {value.shape[-1] % 32 for value in weights.values() if value.ndim == 2} == {0}


def test_no_version_of_transformers_is_written_into_it(ctx: RunContext) -> None:
    base = tiny_base(ctx)
    config = json.loads(ctx.store.path(base.id, "config.json").read_text())
    assert "transformers_version" not in config


def test_an_unknown_family_is_refused(ctx: RunContext) -> None:
    with pytest.raises(ModelError) as caught:
        tiny_base(ctx, family="smolm2")
    assert caught.value.code == "model.unknown_family"
