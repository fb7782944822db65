"""Trained for a storage format: what is compressed to it afterwards is what was trained, to the bit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from gguf.quants import dequantize

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.compress.gguf.architectures import layout_of
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod, MergeMethod
from seekloop.compress.stage import run as compress
from seekloop.compress.weights import open_weights
from seekloop.runtime import models
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.grids import on_grid
from seekloop.runtime.originals import commit_original
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.train.batching import collate, labelled
from seekloop.runtime.train.loss import summed_loss
from seekloop.system.errors import SeekloopError, UsageError
from seekloop.tune.counting import rounded_weights
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.runtime.train.making import dataset, rows

IDS = torch.arange(30).unsqueeze(0)
METHODS: dict[str, Any] = {
    "lora": {"type": "lora", "rank": 4},
    "full": {"type": "full"},
    "last_layers": {"type": "last_layers", "last": 1, "head": True},
}
GGUF = ("q8_0", "q4_1", "q4_0")


@pytest.fixture
def data(ctx: RunContext) -> Dataset:
    return dataset(ctx, train=rows(8))


@pytest.fixture
def base(ctx: RunContext) -> Checkpoint:
    return tiny_base(ctx)


def tuned(ctx: RunContext, data: Dataset, base: Checkpoint, method: str = "lora", **spec: Any) -> Checkpoint:
    given = {"epochs": 1, "rows_per_step": 4, "learning_rate": 0.01, "quantise_for": "q4_0", **spec}
    return run(TuneSpec.parse({"method": METHODS[method], **given}), TuneInputs(dataset=data, checkpoint=base), ctx=ctx)


def gguf(ctx: RunContext, checkpoint: Checkpoint, precision: Any) -> Checkpoint:
    spec = CompressSpec(method=GgufMethod(precision=precision))
    return compress(spec, CompressInputs(checkpoint=checkpoint), ctx=ctx)


def stored(ctx: RunContext, checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """The values in a GGUF file."""
    found = GGUFReader(ctx.store.path(checkpoint.id, "model.gguf")).tensors
    shapes = {one.name: tuple(int(size) for size in reversed(one.shape)) for one in found}
    return {one.name: dequantize(one.data, one.tensor_type).reshape(shapes[one.name]) for one in found}


def trained(ctx: RunContext, checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """The weights that the model computes with, under GGUF's names and in its order."""
    model = models.load(checkpoint, store=ctx.store)
    values = {name: value.numpy() for name, value in model.state_dict().items()}
    with open_weights(checkpoint, store=ctx.store) as weights:
        shapes = {name: weights.shape(name) for name in weights.names}
    targets = layout_of(model.config.to_dict()).targets(shapes)
    return {one.name: one.pieces[0].take(values[one.pieces[0].source]) for one in targets if one.pieces}


def greedy(ctx: RunContext, checkpoint: Checkpoint) -> list[tuple[int, ...]]:
    prompts = [Prompt(ids=tuple(range(40, 43 + 10 * n)), stop_ids=frozenset(), max_tokens=16) for n in range(6)]
    with open_backend(checkpoint, store=ctx.store, streams=3, engine="torch") as backend:
        answers = dict(backend.generate(prompts))
    return [answers[index].ids for index in range(len(prompts))]


@pytest.mark.parametrize("precision", GGUF)
@pytest.mark.parametrize("method", METHODS)
def test_the_compressed_form_holds_what_was_trained(
    ctx: RunContext, data: Dataset, base: Checkpoint, method: str, precision: str
) -> None:
    checkpoint = tuned(ctx, data, base, method, quantise_for=precision)
    wanted, found = trained(ctx, checkpoint), stored(ctx, gguf(ctx, checkpoint, precision))
    assert wanted.keys() == found.keys()
    for name, values in wanted.items():
        assert np.array_equal(values, found[name]), name


def test_validation_sees_the_rounded_model(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    held_out = rows(4, first=20)
    checkpoint = tuned(ctx, dataset(ctx, train=rows(8), validation=held_out), base)
    history = json.loads(ctx.store.path(checkpoint.id, "trainer_state.json").read_text())["log_history"]
    merged = compress(CompressSpec(method=MergeMethod()), CompressInputs(checkpoint=checkpoint), ctx=ctx)
    model, codec = models.load(merged, store=ctx.store), models.codec_of(base, store=ctx.store)
    views = [view for part in held_out for view in codec.views(part)]
    with torch.no_grad():
        loss = summed_loss(model, collate(views, pad=codec.pad_id, sharing=False)).item()
    assert history[-1]["eval_loss"] == pytest.approx(loss / sum(map(labelled, views)), abs=1e-5)


def test_merged_it_answers_with_the_same_tokens(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    checkpoint = tuned(ctx, data, base)
    merged = compress(CompressSpec(method=MergeMethod()), CompressInputs(checkpoint=checkpoint), ctx=ctx)
    assert greedy(ctx, merged) == greedy(ctx, checkpoint)
    once, twice = (stored(ctx, gguf(ctx, each, "q4_0")) for each in (checkpoint, merged))
    assert all(np.array_equal(values, twice[name]) for name, values in once.items())


@pytest.fixture
def published(ctx: RunContext, base: Checkpoint) -> Checkpoint:
    """A base that was published in Q4_1: each weight lies on that grid."""
    model = models.load(base, store=ctx.store)
    for name, value in model.named_parameters():
        if value.ndim == 2:
            value.data = on_grid(value.data, "q8_0" if "embed" in name else "q4_1")
    with ctx.store.draft() as draft:
        models.codec_of(base, store=ctx.store).save(draft.folder)
        model.save_pretrained(draft.folder)
        (draft.folder / "generation_config.json").unlink(missing_ok=True)
        return commit_original(
            draft,
            ctx=ctx,
            store=ctx.store,
            spec={"source": "path:published"},
            family="smollm2",
            parameters=base.parameters,
        )


def test_an_adapter_for_the_bases_own_grid_survives_it(ctx: RunContext, data: Dataset, published: Checkpoint) -> None:
    told = {"quantise_for": None, "learning_rate": 3e-4, "epochs": 2}
    with pytest.raises(SeekloopError) as caught:
        gguf(ctx, tuned(ctx, data, published, **told), "q4_1")
    assert caught.value.code == "compress.adapter_lost"
    checkpoint = tuned(ctx, data, published, quantise_for="q4_1", learning_rate=3e-3, epochs=4)
    with open_weights(checkpoint, store=ctx.store) as weights:
        changed = sum(bool(weights.change(name).any()) for name in weights.names if weights.change(name) is not None)
    assert changed > 0
    assert stored(ctx, gguf(ctx, checkpoint, "q4_1")).keys()


def test_trained_on_it_goes_on_with_what_was_rounded(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    checkpoint = tuned(ctx, data, base, "full")
    latent = models.load(checkpoint, store=ctx.store, rounded=False).state_dict()
    computed = models.load(checkpoint, store=ctx.store).state_dict()
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(latent[name], computed[name])
    assert torch.equal(on_grid(latent[name], "q4_0"), computed[name])
    onwards = tuned(ctx, data, checkpoint, "full", quantise_for=None, learning_rate=1e-6, max_steps=1)
    after = models.load(onwards, store=ctx.store).state_dict()[name]
    torch.testing.assert_close(after, latent[name], rtol=0, atol=1e-5)
    assert (after - computed[name]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"method": {"type": "lora", "dora": True}}, "method.dora"),
        ({"method": {"type": "lora", "dropout": 0.1}}, "method.dropout"),
        ({"method": {"type": "lora", "init": "pissa"}}, "method.init=pissa"),
        ({"method": {"type": "lora", "base": "nf4"}}, "method.base=nf4"),
        ({"method": {"type": "prefix"}}, "method.type=prefix"),
        ({"compute": {"precision": "bf16"}}, "compute.precision=bf16"),
        ({"compute": {"sharding": "fsdp"}}, "compute.sharding=fsdp"),
    ],
)
def test_what_does_not_round_weights_is_refused(change: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse({"quantise_for": "q4_0", **change})
    assert caught.value.code == "tune.not_quantised_for"
    assert what in caught.value.sentence("en")


def test_rows_that_do_not_divide_into_groups_are_refused_by_name(
    ctx: RunContext, data: Dataset, base: Checkpoint
) -> None:
    with pytest.raises(SeekloopError) as caught:
        tuned(ctx, data, base, quantise_for={"precision": "int4", "group": 128})
    assert caught.value.code == "train.block_width"
    assert "proj" in caught.value.sentence("en")


def test_the_plan_counts_what_is_kept_rounded(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    model = models.load(base, store=ctx.store)
    matrices = sum(value.numel() for value in model.parameters() if value.ndim == 2)
    assert rounded_weights(model.config.to_dict()) == matrices
    checkpoint = tuned(ctx, data, base)
    plain = tuned(ctx, data, base, quantise_for=None)
    planned = [ctx.store.receipt(one.id).cost["planned_peak_mib"] for one in (checkpoint, plain)]
    assert planned[0] > 0
    assert planned[1] > 0


@pytest.mark.parametrize("method", ["lora", "full"])
def test_how_a_step_is_cut_changes_nothing(ctx: RunContext, data: Dataset, base: Checkpoint, method: str) -> None:
    whole, cut = (tuned(ctx, data, base, method, tokens_per_batch=size) for size in (4096, 64))
    one, other = (
        json.loads(ctx.store.path(each.id, "trainer_state.json").read_text())["log_history"] for each in (whole, cut)
    )
    assert [entry["loss"] for entry in one] == pytest.approx([entry["loss"] for entry in other], abs=1e-4)
