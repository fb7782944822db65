"""Small additions and last layers through the stage: in every architecture they train, save, open and answer alike."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod, MergeMethod
from seekloop.compress.stage import run as compress
from seekloop.runtime import models
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import SeekloopError
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.runtime.train.making import dataset, rows

IDS = torch.arange(30).unsqueeze(0)
FAMILIES = ("smollm2", "qwen2", "deepseek-v2", "deepseek-v3")
METHODS: dict[str, dict[str, Any]] = {
    "bottleneck": {"width": 8},
    "prefix": {"tokens": 6},
    "prompt": {"tokens": 6},
    "p_tuning": {"tokens": 6, "encoder": "lstm", "hidden": 8},
    "last_layers": {"last": 1},
    "full": {},
}
ADDED = [name for name in METHODS if name not in ("last_layers", "full")]


def _tune(
    ctx: RunContext, data: Dataset, checkpoint: Checkpoint, *, name: str, learning_rate: float = 0.02, **method: Any
) -> Checkpoint:
    given = {"type": name, **METHODS[name], **method}
    spec = {"max_steps": 3, "rows_per_step": 4, "learning_rate": learning_rate, "method": given}
    return run(TuneSpec.parse(spec), TuneInputs(dataset=data, checkpoint=checkpoint), ctx=ctx)


def _logits(ctx: RunContext, checkpoint: Checkpoint) -> torch.Tensor:
    with torch.no_grad():
        return models.load(checkpoint, store=ctx.store)(input_ids=IDS).logits


@pytest.fixture
def data(ctx: RunContext) -> Dataset:
    return dataset(ctx, train=rows(8), validation=rows(2, first=30), test=rows(3, first=40))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", METHODS)
def test_what_was_trained_opens_and_answers_and_routers_stay(
    ctx: RunContext, data: Dataset, name: str, family: str
) -> None:
    base = tiny_base(ctx, family=family)
    tuned = _tune(ctx, data, base, name=name)
    assert tuned.form == ("adapter" if name in ADDED else "full")
    model, stock = (models.load(each, store=ctx.store) for each in (tuned, base))
    with torch.no_grad():
        assert not torch.allclose(model(input_ids=IDS).logits, stock(input_ids=IDS).logits, atol=1e-3)
    before = stock.state_dict()
    after = {key.replace("frozen.", ""): value for key, value in model.state_dict().items()}
    routers = {key: value for key, value in after.items() if "mlp.gate.weight" in key}
    assert bool(routers) == family.startswith("deepseek")
    assert all(torch.equal(value, before[key]) for key, value in routers.items())
    ids = [9, 10, 11]
    for _ in range(4):
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    asked = [
        Prompt(ids=(9, 10, 11), stop_ids=frozenset(), max_tokens=4),
        Prompt(ids=(5,), stop_ids=frozenset(), max_tokens=3),
    ]
    with open_backend(tuned, store=ctx.store, streams=2) as backend:
        assert list(dict(backend.generate(asked))[0].ids) == ids[3:]


@pytest.mark.parametrize("name", ["p_tuning", "last_layers"])
def test_the_same_inputs_give_the_same_id(ctx: RunContext, data: Dataset, name: str) -> None:
    base = tiny_base(ctx)
    assert _tune(ctx, data, base, name=name).id == _tune(ctx, data, base, name=name).id


@pytest.mark.parametrize("name", ADDED)
def test_an_adapter_is_trained_on(ctx: RunContext, data: Dataset, name: str) -> None:
    first = _tune(ctx, data, tiny_base(ctx), name=name)
    more = dataset(ctx, train=rows(4, first=60))
    spec = {"epochs": 1, "learning_rate": 1e-7, "method": {"type": name}}
    second = run(TuneSpec.parse(spec), TuneInputs(dataset=more, checkpoint=first), ctx=ctx)
    assert second.parents["parent"] == first.id
    torch.testing.assert_close(_logits(ctx, second), _logits(ctx, first), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ("prefix", {"type": "prefix", "tokens": 7}, "tune.not_inherited"),
        ("bottleneck", {"type": "bottleneck", "placement": "pfeiffer"}, "tune.not_inherited"),
        ("prompt", {"type": "prefix"}, "tune.other_adapter"),
        ("prefix", {"type": "bottleneck"}, "tune.other_adapter"),
        ("prompt", {"type": "last_layers"}, "tune.other_adapter"),
    ],
)
def test_what_an_adapter_cannot_become_is_refused(
    ctx: RunContext, data: Dataset, first: str, second: dict[str, Any], code: str
) -> None:
    adapter = _tune(ctx, data, tiny_base(ctx), name=first)
    with pytest.raises(SeekloopError) as caught:
        run(TuneSpec.parse({"method": second}), TuneInputs(dataset=data, checkpoint=adapter), ctx=ctx)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("name", "method"), [("prefix", MergeMethod()), ("prompt", GgufMethod()), ("bottleneck", GgufMethod())]
)
def test_what_cannot_be_folded_is_refused(ctx: RunContext, data: Dataset, name: str, method: Any) -> None:
    adapter = _tune(ctx, data, tiny_base(ctx), name=name)
    with pytest.raises(SeekloopError) as caught:
        compress(CompressSpec(method=method), CompressInputs(checkpoint=adapter), ctx=ctx)
    assert caught.value.code == "compress.not_foldable"


@pytest.mark.parametrize("init", [{"text": "Name the intent"}, {"init": "vocabulary"}, {"init": "rows"}, {}])
def test_virtual_tokens_begin_as_real_ones(ctx: RunContext, data: Dataset, init: dict[str, str]) -> None:
    base = tiny_base(ctx)
    found = _tune(ctx, data, base, name="prompt", learning_rate=1e-7, **init)
    vectors = models.load(found, store=ctx.store).get_decoder().virtual.embeddings
    table = models.load(base, store=ctx.store).get_input_embeddings().weight
    assert all((table - vector).abs().amax(1).min() < 0.3 for vector in vectors)


def test_training_nothing_is_refused(ctx: RunContext, data: Dataset) -> None:
    with pytest.raises(SeekloopError) as caught:
        _tune(ctx, data, tiny_base(ctx), name="last_layers", last=0)
    assert caught.value.code == "tune.no_layers"


def test_more_layers_than_there_are_is_refused(ctx: RunContext, data: Dataset) -> None:
    with pytest.raises(SeekloopError) as caught:
        _tune(ctx, data, tiny_base(ctx), name="last_layers", last=9)
    assert caught.value.code == "train.fewer_layers"


def test_an_empty_text_is_refused(ctx: RunContext, data: Dataset) -> None:
    with pytest.raises(SeekloopError) as caught:
        _tune(ctx, data, tiny_base(ctx), name="prefix", text="")
    assert caught.value.code == "tune.nothing_to_begin_with"


def test_the_head_alone_unties_it_and_leaves_the_rest(ctx: RunContext, data: Dataset) -> None:
    base = tiny_base(ctx)
    tuned = _tune(ctx, data, base, name="last_layers", last=0, head=True)
    before, after = (models.load(each, store=ctx.store).state_dict() for each in (base, tuned))
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert changed == {"lm_head.weight", "model.norm.weight"}
    config = json.loads(ctx.store.path(tuned.id, "config.json").read_text())
    assert config["tie_word_embeddings"] is False


def test_virtual_tokens_take_their_share_of_the_context(ctx: RunContext, data: Dataset) -> None:
    base = tiny_base(ctx)
    tuned = _tune(ctx, data, base, name="prefix")
    room = models.load(tuned, store=ctx.store).config.max_position_embeddings
    assert room == models.load(base, store=ctx.store).config.max_position_embeddings - 6


def test_another_seed_begins_with_other_words(ctx: RunContext, data: Dataset) -> None:
    base = tiny_base(ctx)
    found = {_tune(replace(ctx, seed=seed), data, base, name="prefix", init="vocabulary").id for seed in (1, 2)}
    assert len(found) == 2
