"""What is foretold of a method: its weights are those of the one that is built, its memory in the right order."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.model.arithmetic import kept_a_token
from seekloop.model.devices import Machine
from seekloop.model.families import FamilyCard
from seekloop.model.trained import Trained
from seekloop.runtime import models
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.train.batching import collate
from seekloop.runtime.train.loss import summed_loss
from seekloop.runtime.train.methods.method import trainable
from seekloop.tune.aliases import PRESETS
from seekloop.tune.counting import base_bytes, trained_by
from seekloop.tune.forecast import Forecast, census, forecast, later_epochs
from seekloop.tune.methods.build import build, storage
from seekloop.tune.spec import TuneSpec
from tests.runtime.train.making import dataset, rows

METHODS: dict[str, Any] = {
    "lora": {"rank": 4},
    **{name: {"type": name} for name in PRESETS},
    "int8": {"type": "lora", "base": "int8"},
    "patterns": {"layers": [1], "rank_pattern": {"q_proj": 2, "layers.1.mlp.up_proj": 3}},
    "full": "full",
    "bottleneck": {"type": "bottleneck", "width": 8},
    "pfeiffer": {"type": "bottleneck", "width": 8, "placement": "pfeiffer"},
    "prefix": {"type": "prefix", "tokens": 6},
    "prompt": {"type": "prompt", "tokens": 6},
    "p_tuning": {"type": "p_tuning", "tokens": 6, "hidden": 8},
    "p_tuning-lstm": {"type": "p_tuning", "tokens": 6, "hidden": 8, "encoder": "lstm"},
    "last_layers": {"type": "last_layers", "last": 1},
    "head": {"type": "last_layers", "last": 0, "head": True},
    "ia3": {"type": "peft", "peft_type": "IA3"},
    "vera": {"type": "peft", "peft_type": "VERA", "config": {"r": 8, "target_modules": ["o_proj"]}},
    "loha": {"type": "peft", "peft_type": "LOHA", "config": {"r": 2}},
}
FAMILIES = ("smollm2", "qwen2", "deepseek-v2", "deepseek-v3")
QUIET = logging.getLogger("quiet")
HERE = Machine(name="here", memory=2**33, flops=1e10, source="made up", local=True, workers=2)


def method_of(name: str) -> Any:
    return TuneSpec.parse({"method": METHODS[name]}).method


def built(ctx: RunContext, name: str, *, family: str, layers: int = 2) -> nn.Module:
    base, method = tiny_base(ctx, family=family, layers=layers), method_of(name)
    card, data = models.codec_of(base, store=ctx.store).card, dataset(ctx, train=rows(4))
    model = models.load(base, store=ctx.store, storage=storage(method))
    build(method, base, dataset=data, seed=7, card=card, store=ctx.store, logger=QUIET).apply(model, seed=7)
    return model


def facts(ctx: RunContext, family: str) -> tuple[dict[str, Any], FamilyCard]:
    base = tiny_base(ctx, family=family)
    model = models.load(base, store=ctx.store)
    return model.config.to_dict(), models.codec_of(base, store=ctx.store).card


def counted(ctx: RunContext, name: str, *, family: str = "smollm2") -> Trained:
    config, card = facts(ctx, family)
    found = trained_by(method_of(name), config, card=card)
    assert found is not None
    return found


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", METHODS)
def test_the_weights_that_are_foretold_are_those_that_are_trained(ctx: RunContext, name: str, family: str) -> None:
    found = counted(ctx, name, family=family)
    wanted = sum(value.numel() for value in trainable(built(ctx, name, family=family)).values())
    assert found.weights == wanted and found.formula


def kept_by_autograd(model: nn.Module, ctx: RunContext) -> tuple[int, int, int]:
    """Bytes that a micro-batch keeps for the backward pass; its rows and tokens."""
    weights = {weight.untyped_storage().data_ptr() for weight in (*model.parameters(), *model.buffers())}
    codec = models.codec_of(tiny_base(ctx), store=ctx.store)
    views = [view for row in rows(6) for view in codec.views(row)]
    batch = collate(views, pad=codec.pad_id, sharing=False)
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        summed_loss(model, batch)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values()), *batch.ids.shape


@pytest.mark.parametrize(
    ("name", "family", "off"),
    [
        *((name, "smollm2", 0.05) for name in ("lora", "lora_mlp", "dora", "qlora", "full", "bottleneck", "pfeiffer")),
        *((name, "smollm2", 0.1) for name in ("prefix", "prompt", "ia3", "vera")),
        ("loha", "smollm2", 0.2),
        *((name, "deepseek-v3", 0.05) for name in ("lora", "bottleneck", "prefix")),
        ("full", "deepseek-v3", 0.2),
    ],
)
def test_what_a_method_keeps_of_a_token_is_what_autograd_keeps(
    ctx: RunContext, name: str, family: str, off: float
) -> None:
    # In the first layer what stands before the first trained weight is not kept: the layers behind it are compared.
    found, wanted = [], []
    for layers in (2, 6):
        model = built(ctx, name, family=family, layers=layers)
        kept, count, length = kept_by_autograd(model, ctx)
        config, card = model.config.to_dict(), models.codec_of(tiny_base(ctx, family=family), store=ctx.store).card
        trained = trained_by(method_of(name), config, card=card)
        assert trained is not None
        tokens = count * length + trained.tokens
        found.append(4 * (kept_a_token(config, trained) * tokens + trained.a_row * count))
        wanted.append(kept)
    assert found[1] - found[0] == pytest.approx(wanted[1] - wanted[0], rel=off)


def foretold(ctx: RunContext, name: str, **spec: Any) -> Forecast:
    config, card = facts(ctx, "smollm2")
    codec = models.codec_of(tiny_base(ctx), store=ctx.store)
    found = census(codec.views(row) for row in rows(12))
    told = TuneSpec.parse({"method": METHODS[name], "rows_per_step": 4, "epochs": 3, **spec})
    result = forecast(told, config, card=card, counted=found, machine=HERE, seed=7)
    assert result is not None
    return result


def test_memory_is_foretold_in_the_right_order(ctx: RunContext) -> None:
    names = ("rslora", "dora", "pissa", "qlora", "int8", "full", "bottleneck", "pfeiffer", "last_layers", "head")
    need = {name: foretold(ctx, name).memory for name in names}
    assert need["full"] > need["rslora"]
    assert need["qlora"] < need["int8"] < need["rslora"]
    assert need["rslora"] < need["dora"] and need["rslora"] < need["pissa"]
    assert need["pfeiffer"] < need["bottleneck"] and need["last_layers"] < need["full"]
    assert need["head"] < need["last_layers"]


def test_later_epochs_of_the_last_layers_are_cheaper(ctx: RunContext) -> None:
    def times(name: str) -> float:
        return foretold(ctx, name, epochs=6).seconds / foretold(ctx, name, epochs=1).seconds

    assert times("last_layers") < 5.5 < 5.9 < times("lora")


def test_a_probe_which_sees_the_first_epoch_is_told_of_the_later_ones(ctx: RunContext) -> None:
    (config, card), codec = facts(ctx, "smollm2"), models.codec_of(tiny_base(ctx), store=ctx.store)
    found = census(codec.views(row) for row in rows(6))

    def share(name: str, epochs: int) -> float:
        spec = TuneSpec.parse({"method": METHODS[name], "epochs": epochs})
        return later_epochs(spec, config, card=card, counted=found)

    assert share("last_layers", 3) < share("last_layers", 2) < 1.0 == share("last_layers", 1) == share("lora", 3)


@pytest.mark.parametrize("name", ["qlora", "int8"])
def test_a_base_in_fewer_bits_takes_what_its_layers_take(ctx: RunContext, name: str) -> None:
    model, config = built(ctx, name, family="smollm2"), facts(ctx, "smollm2")[0]
    whole = sum(value.numel() for value in built(ctx, "full", family="smollm2").parameters())
    frozen = [value for value in model.parameters() if not value.requires_grad]
    held = sum(value.nbytes for value in (*frozen, *model.buffers()) if value.numel() > 32)
    assert base_bytes(method_of(name), config) * whole == pytest.approx(held, rel=0.01)
