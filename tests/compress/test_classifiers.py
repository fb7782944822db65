"""A classifier's adapter is merged into one folder, which scores as the adapter does wherever it is opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.rows import Row
from seekloop.compress import merge
from seekloop.compress.parity.gate import FILE
from seekloop.compress.spec import CastMethod, CompressInputs, CompressSpec, GgufMethod, MergeMethod
from seekloop.compress.stage import form_by
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.evaluate.stage import run as evaluate
from seekloop.runtime import models
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.train.classifiers import predict, read_classes
from seekloop.system.errors import GateRefused, ModelError
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.runtime.train.making import dataset, row, rows

Making = Callable[..., Checkpoint]
LORA = {"type": "lora", "rank": 4}


@pytest.fixture
def tuned(ctx: RunContext) -> Making:
    """A classifier of the short questions, on the tiny model of a family or on another checkpoint."""

    def make(
        family: str = "smollm2", *, method: Any = LORA, train: list[Row] | None = None, on: Checkpoint | None = None
    ) -> Checkpoint:
        spec = {"epochs": 2, "learning_rate": 0.01, "method": method, "objective": "classify"}
        data = dataset(ctx, train=train or rows(24), validation=rows(6, first=60))
        return run(
            TuneSpec.parse(spec), TuneInputs(dataset=data, checkpoint=on or tiny_base(ctx, family=family)), ctx=ctx
        )

    return make


def many(index: int) -> Row:
    """A row of one label, or of two."""
    name = str(row(index).label)
    labels = (name, "urgent") if index % 2 else ()
    return row(index).model_copy(update={"label": "; ".join(labels) or name, "labels": labels})


def prompts_of(ctx: RunContext, checkpoint: Checkpoint) -> list[tuple[int, ...]]:
    codec = models.codec_of(checkpoint, store=ctx.store)
    return [codec.prompt_ids(part.messages[:-1]) for part in rows(5, first=40)]


def scores_of(ctx: RunContext, checkpoint: Checkpoint) -> Tensor:
    model = models.load(checkpoint, store=ctx.store)
    return torch.stack(list(predict(model, prompts_of(ctx, checkpoint), pad=0)))


def near(got: Tensor, wanted: Tensor) -> bool:
    return bool((got - wanted).abs().max() <= 1e-4 * wanted.abs().max())


@pytest.mark.parametrize(
    ("family", "method"),
    [
        ("smollm2", LORA),
        ("smollm2", {"type": "dora", "rank": 4}),
        ("smollm2", {"type": "qlora", "rank": 4}),
        ("smollm2", {"type": "qlora", "rank": 4, "base": "int8"}),
        ("smollm2", {"type": "peft", "peft_type": "LOHA", "config": {"r": 2}}),
        ("deepseek-v3", LORA),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_a_merged_classifier_has_the_adapters_scores(ctx, tuned, compress, family, method):
    adapter = tuned(family, method=method)
    merged = compress(adapter, MergeMethod())
    assert near(scores_of(ctx, merged), scores_of(ctx, adapter))
    weights = load_file(ctx.store.path(merged.id, "model.safetensors"))
    assert merged.parameters == sum(value.numel() for value in weights.values())
    assert "lm_head.weight" not in weights


def test_transformers_opens_a_merged_classifier_with_the_same_scores(ctx, tuned, compress):
    adapter = tuned()
    merged = compress(adapter, MergeMethod())
    stock = AutoModelForSequenceClassification.from_pretrained(ctx.store.folder(merged.id), dtype=torch.float32).eval()
    with torch.no_grad():
        found = torch.cat([stock(torch.tensor([ids])).logits for ids in prompts_of(ctx, merged)])
    assert near(found, scores_of(ctx, adapter))
    classes = read_classes(ctx.store.folder(adapter.id))
    assert classes is not None and tuple(stock.config.id2label.values()) == classes.names


def test_a_merged_classifier_is_evaluated_and_served_like_its_adapter(ctx, tuned, compress):
    adapter = tuned()
    merged = compress(adapter, MergeMethod())
    data = dataset(ctx, train=rows(2), test=rows(12, first=80))
    reports = [
        evaluate(EvaluateSpec(resamples=100), EvaluateInputs(checkpoint=one, dataset=data), ctx=ctx)
        for one in (adapter, merged)
    ]
    answers = [ctx.store.path(report.id, "answers.jsonl").read_text().splitlines() for report in reports]
    assert [json.loads(line)["got"] for line in answers[0]] == [json.loads(line)["got"] for line in answers[1]]
    with open_backend(merged, store=ctx.store) as backend:
        assert backend.name.endswith("classifier")


@pytest.mark.parametrize("family", ["smollm2", "deepseek-v3"])
def test_a_merged_classifier_is_tuned_and_merged_again(ctx, tuned, compress, family):
    again = tuned(family, on=compress(tuned(family), MergeMethod()))
    assert near(scores_of(ctx, compress(again, MergeMethod())), scores_of(ctx, again))


@pytest.mark.parametrize("several", [False, True])
def test_classes_are_what_the_gate_compares(ctx, tuned, compress, several):
    merged = compress(tuned(train=[many(index) for index in range(24)] if several else None), MergeMethod())
    kept = json.loads(ctx.store.path(merged.id, FILE).read_text("utf-8"))
    assert (kept["kl"], kept["top1"], kept["places"], kept["limits"]["name"]) == (0, 1, 8, "classes")


@pytest.mark.parametrize("family", ["smollm2", "deepseek-v3"])
@pytest.mark.parametrize("several", [False, True])
def test_a_merged_classifier_with_a_broken_head_is_refused(ctx, tuned, family, several):
    def broken(work):
        made = merge.make(work)
        weights = load_file(work.folder / "model.safetensors")
        weights["score.weight"] = weights["score.weight"].roll(1, dims=0).contiguous()
        save_file(weights, work.folder / "model.safetensors", metadata={"format": "pt"})
        return made

    parent = tuned(family, train=[many(index) for index in range(24)] if several else None)
    with pytest.raises(GateRefused) as caught:
        form_by(broken, CompressSpec(method=MergeMethod()), inputs=CompressInputs(checkpoint=parent), ctx=ctx)
    assert (caught.value.code, caught.value.facts["limits"]) == ("compress.parity_refused", "classes")


@pytest.mark.parametrize("method", [GgufMethod(), CastMethod()], ids=lambda method: method.type)
def test_other_methods_refuse_a_classifier_and_name_merge(tuned, compress, method):
    with pytest.raises(ModelError) as caught:
        compress(tuned(), method)
    assert caught.value.code == "compress.classifier"
    assert "merge" in caught.value.hint("en") and "merge" in caught.value.hint("zh")


def test_a_whole_classifier_has_nothing_to_merge(tuned, compress):
    with pytest.raises(ModelError) as caught:
        compress(tuned(method="full"), MergeMethod())
    assert caught.value.code == "compress.nothing_to_merge"


def test_merging_a_classifier_twice_gives_the_same_bytes(tuned, compress):
    adapter = tuned()
    assert compress(adapter, MergeMethod()).id == compress(adapter, MergeMethod()).id
