from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.compress.packed.calibration import Sample, calibration_batches
from seekloop.compress.packed.folder import as_half
from seekloop.compress.packed.layers import recording, targets_of
from seekloop.compress.packed.needs import check_memory
from seekloop.compress.packed.scaling import fold, links_of
from seekloop.compress.packed.spec import CalibrationSpec, CastMethod, W4A16Method, W8A8Method
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.compress.stage import run
from seekloop.compress.weights import open_weights
from seekloop.runtime import models
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend, open_scorer
from seekloop.runtime.integers import integers_are_exact
from seekloop.runtime.packed import open_packed
from seekloop.system.errors import DataError, EngineError, ModelError
from seekloop.system.progress import Silent
from seekloop.system.spec import Spec

IDS = torch.arange(3, 51).view(2, 24)
FAMILIES = ["smollm2", "qwen2.5", "deepseek-v2", "deepseek-v3"]


class NoSpec(Spec):
    """A dataset that nobody prepared."""


class Listener(Silent):
    """Keeps the lines said."""

    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


def row(index):
    turns = (
        Message(role="user", content="Where is my card? " * (1 + index % 3)),
        Message(role="assistant", content=f"It left on day {index}."),
    )
    return Row(id=row_id([str(index)]), messages=turns, source=Source(file="bank.jsonl", line=index + 1))


@pytest.fixture
def dataset_of(ctx):
    def make(count):
        with ctx.job("data", NoSpec()) as job:
            rows = [row(index) for index in range(count)]
            for split in ("train", "validation", "test", "calibration", "dropped"):
                write_rows(job.path(f"{split}.jsonl"), rows if split in ("train", "calibration") else [])
            splits = {"train": count, "validation": 0, "test": 0}
            return job.commit(
                Dataset(made_by=job.origin, rows=count, splits=splits, dropped={}, calibration=count, labels=())
            )

    return make


@pytest.fixture
def calibrated(ctx, dataset_of):
    def make(checkpoint, method, rows=12, ctx=ctx):
        inputs = CompressInputs(checkpoint=checkpoint, dataset=dataset_of(rows))
        return run(CompressSpec(method=method), inputs, ctx=ctx)

    return make


def logits(checkpoint, ctx):
    with torch.inference_mode():
        return models.load(checkpoint, store=ctx.store)(IDS).logits


def distance(checkpoint, parent, ctx):
    return float((logits(checkpoint, ctx) - logits(parent, ctx)).square().mean().sqrt())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rounding", ["gptq", "awq"])
def test_every_family_is_calibrated_and_stays_near(family, rounding, ctx, sharp, calibrated):
    parent = sharp(family)
    made = calibrated(parent, W4A16Method(rounding=rounding, group=32))
    assert (made.form, made.precision) == ("compressed-tensors", "w4a16")
    assert distance(made, parent, ctx) < 0.7 * float(logits(parent, ctx).std())


@pytest.mark.parametrize(
    "method",
    [
        W4A16Method(act_order=False, symmetric=False, group=32),
        W4A16Method(group="channel", dtype="fp16"),
        W8A8Method(rounding="gptq"),
        W8A8Method(smooth=0.5),
    ],
    ids=["in-order", "channel", "w8a8-gptq", "w8a8-smooth"],
)
def test_every_dial_gives_a_model_near_its_parent(method, ctx, tiny, calibrated):
    made = calibrated(tiny, method)
    assert set(made.parents) == {"checkpoint", "dataset"}
    assert distance(made, tiny, ctx) < 0.3 * float(logits(tiny, ctx).std())


def test_gptq_loses_less_than_the_nearest_on_rows_like_those_of_calibration(ctx, sharp, calibrated, dataset_of):
    parent = sharp("smollm2")
    codec = models.codec_of(parent, store=ctx.store)
    samples = calibration_batches(dataset_of(12), CalibrationSpec(), codec=codec, store=ctx.store, method="")

    def loss(rounding):
        made = calibrated(parent, W4A16Method(rounding=rounding, group=64))
        with torch.inference_mode():
            ours, theirs = (models.load(one, store=ctx.store)(samples[0].ids).logits for one in (made, parent))
        return float((ours - theirs)[samples[0].real].square().sum())

    assert loss("gptq") < 0.7 * loss("nearest")


def test_the_same_inputs_give_the_same_id(tiny, calibrated):
    assert calibrated(tiny, W4A16Method()).id == calibrated(tiny, W4A16Method()).id


def test_an_adapter_is_folded_in_before_rounding(ctx, tiny, adapter, calibrated):
    made = calibrated(adapter, W4A16Method(group=32))
    assert distance(made, adapter, ctx) < 0.5 * distance(made, tiny, ctx)


def test_experts_that_no_token_came_into_are_counted_aloud(ctx, sharp, calibrated):
    listener = Listener()
    loud = dataclasses.replace(ctx, progress=listener)
    calibrated(sharp("deepseek-v3"), W4A16Method(calibration=CalibrationSpec(rows=1, tokens=8)), rows=1, ctx=loud)
    assert any("no calibration token came into" in line for line in listener.lines)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_and_batches_change_nothing_that_calibration_sees(family, ctx, sharp):
    model = models.load(sharp(family), store=ctx.store)
    layer, seen = model.get_decoder().layers[1], []
    for ids, real in (
        (IDS[:, :9], torch.ones(2, 9, dtype=torch.bool)),
        (torch.cat([IDS[:, :9], IDS[:, 20:]], 1), torch.arange(13).expand(2, -1) < 9),
    ):
        with recording(layer, "", real=lambda real=real: real) as moments, torch.inference_mode():
            model(ids)
        seen.append(moments)
    for name, moment in seen[0].items():
        assert moment.count == seen[1][name].count
        assert torch.allclose(moment.products, seen[1][name].products, rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize("family", FAMILIES)
def test_folding_scales_changes_no_logit(family, ctx, sharp):
    model = models.load(sharp(family), store=ctx.store)
    links = 0
    with torch.inference_mode():
        before = model(IDS).logits
        for index, layer in enumerate(model.get_decoder().layers):
            targets = targets_of(layer, "")
            with recording(layer, "", real=lambda: torch.ones(2, 24, dtype=torch.bool)) as moments:
                model(IDS)
            for link in links_of(layer, "", targets=targets):
                width = link.takers[0].weight.shape[1]
                fold(link, torch.linspace(0.5, 2, width) + index, moments=moments)
                links += 1
        assert links >= 6 and (model(IDS).logits - before).abs().max() < 1e-4 * before.abs().max()


def test_torch_scores_with_the_packed_form_as_it_is(ctx, tiny, compress):
    made = compress(tiny, W4A16Method(rounding="nearest"))
    with open_scorer(made, store=ctx.store) as scorer:
        assert scorer is not None


def test_the_packed_form_generates(ctx, tiny, compress):
    prompt = Prompt(ids=(40, 41, 42), stop_ids=frozenset(), max_tokens=4)
    with open_backend(compress(tiny, W8A8Method()), store=ctx.store, threads=1, streams=1) as backend:
        assert [len(answer.ids) for _, answer in backend.generate([prompt])] == [4]


def test_int8_inputs_are_rounded_where_the_form_says_so(ctx, sharp, compress):
    parent = sharp("deepseek-v2")
    made = compress(parent, W8A8Method())
    kinds = {type(module).__name__ for module in models.load(made, store=ctx.store).modules()}
    assert {"IntegerLinear" if integers_are_exact() else "RoundedInputs", "_RoundedExperts"} <= kinds
    assert 0 < distance(made, parent, ctx) < 0.1 * float(logits(parent, ctx).std())


@pytest.mark.parametrize(("dtype", "share"), [("bf16", 0.02), ("fp16", 0.002)])
def test_half_precision_is_the_full_form_with_the_adapter_inside(dtype, share, ctx, adapter, compress):
    made = compress(adapter, CastMethod(dtype=dtype))
    assert (made.form, made.precision) == ("full", dtype)
    assert distance(made, adapter, ctx) < share * float(logits(adapter, ctx).std())
    config = json.loads(ctx.store.path(made.id, "config.json").read_text())
    assert config["dtype"] == {"bf16": "bfloat16", "fp16": "float16"}[dtype]


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision_can_be_compressed_on(dtype, ctx, tiny, compress):
    half = compress(tiny, CastMethod(dtype=dtype))
    assert distance(compress(half, W8A8Method()), half, ctx) < 0.1 * float(logits(half, ctx).std())


def test_a_value_beyond_fp16_is_refused():
    with pytest.raises(ModelError) as caught:
        as_half(torch.tensor([1e6]), "w", stored=torch.float16)
    assert caught.value.code == "compress.overflow"


def test_without_a_dataset_calibration_is_refused(tiny, compress):
    with pytest.raises(DataError) as caught:
        compress(tiny, W4A16Method())
    assert caught.value.code == "compress.no_dataset"


def test_an_empty_calibration_split_is_refused(tiny, calibrated):
    with pytest.raises(DataError) as caught:
        calibrated(tiny, W4A16Method(), rows=0)
    assert caught.value.code == "compress.no_calibration"


def test_the_largest_group_that_fits_is_taken_and_said(ctx, tiny, compress, dataset_of):
    listener = Listener()
    made = run(
        CompressSpec(method=W4A16Method(rounding="nearest")),
        CompressInputs(checkpoint=tiny),
        ctx=dataclasses.replace(ctx, progress=listener),
    )
    config = json.loads(ctx.store.path(made.id, "config.json").read_text())["quantization_config"]
    assert config["config_groups"]["group_0"]["weights"]["group_size"] == 64
    assert listener.lines[0] == "w4a16: groups of 64, the largest that divides every layer's width"


def test_groups_that_do_not_divide_a_layer_are_refused(tiny, compress):
    with pytest.raises(ModelError) as caught:
        compress(tiny, W4A16Method(rounding="nearest", group=128))
    assert caught.value.code == "compress.group_width"


def test_too_much_calibration_for_the_memory_is_refused_before_it_begins(ctx, tiny):
    sample = Sample(ids=torch.empty(2**20, 2**18, device="meta"), real=torch.ones(1, 1))
    with open_weights(tiny, store=ctx.store) as weights, pytest.raises(ModelError) as caught:
        check_memory(weights, [sample], bits=4, method="w4a16 gptq", progress=Silent())
    assert caught.value.code == "compress.little_memory"


def test_a_layout_that_is_not_known_is_refused(ctx, tiny, compress, tmp_path):
    folder = ctx.store.folder(compress(tiny, W4A16Method(rounding="nearest")).id)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"]["format"] = "marlin-24"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError) as caught:
        open_packed(tmp_path)
    assert caught.value.code == "train.packed_layout"


def test_the_packed_form_is_not_for_other_engines(ctx, tiny, compress):
    made = compress(tiny, W4A16Method(rounding="nearest"))
    with pytest.raises(EngineError) as caught:
        open_scorer(made, store=ctx.store, engine="llamacpp")
    assert caught.value.code == "runtime.needs_gguf"
