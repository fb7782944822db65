"""Classifiers: what transformers and PEFT open scores as ours does, and evaluation asks them like any other model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import peft
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.rows import Message, Row
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.evaluate.stage import run as evaluate
from seekloop.runtime import models
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.train.classifiers import predict, read_classes
from seekloop.system.errors import SeekloopError
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.runtime.train.making import dataset, row, rows


@pytest.fixture
def base(ctx: RunContext) -> Checkpoint:
    return tiny_base(ctx)


def _tune(ctx: RunContext, base: Checkpoint, train: Sequence[Row] | None = None, **spec: Any) -> Checkpoint:
    given = {"epochs": 4, "learning_rate": 0.01, "method": {"rank": 4}, "objective": "classify", **spec}
    data = dataset(ctx, train=rows(24) if train is None else train, validation=rows(6, first=60))
    return run(TuneSpec.parse(given), TuneInputs(dataset=data, checkpoint=base), ctx=ctx)


def _prompts(ctx: RunContext, base: Checkpoint, count: int) -> list[tuple[int, ...]]:
    codec = models.codec_of(base, store=ctx.store)
    return [codec.prompt_ids(part.messages[:-1]) for part in rows(count, first=40)]


def _ours(ctx: RunContext, made: Checkpoint, prompts: list[tuple[int, ...]]) -> Tensor:
    model = models.load(made, store=ctx.store)
    return torch.stack(list(predict(model, prompts, pad=models.codec_of(made, store=ctx.store).pad_id)))


def _theirs(model: Any, prompts: list[tuple[int, ...]], *, pad: int) -> Tensor:
    length = max(map(len, prompts))
    ids = torch.tensor([[*prompt, *[pad] * (length - len(prompt))] for prompt in prompts])
    mask = torch.tensor([[1] * len(prompt) + [0] * (length - len(prompt)) for prompt in prompts])
    with torch.no_grad():
        return model.eval()(input_ids=ids, attention_mask=mask).logits


@pytest.mark.parametrize("family", ["smollm2", "qwen2", "deepseek-v3"])
def test_transformers_opens_a_whole_classifier_with_the_same_scores(ctx: RunContext, family: str) -> None:
    base = tiny_base(ctx, family=family)
    made = _tune(ctx, base, method="full", epochs=1)
    codec = models.codec_of(made, store=ctx.store)
    stock = AutoModelForSequenceClassification.from_pretrained(ctx.store.folder(made.id), dtype=torch.float32)
    prompts = _prompts(ctx, base, 5)
    torch.testing.assert_close(
        _theirs(stock, prompts, pad=codec.pad_id), _ours(ctx, made, prompts), rtol=1e-4, atol=1e-4
    )
    assert list(stock.config.id2label.values()) == sorted({"balance", "card", "cash", "fee", "password", "transfer"})


def test_peft_opens_an_adapter_classifier_with_the_same_scores(ctx: RunContext, base: Checkpoint) -> None:
    made = _tune(ctx, base, epochs=1)
    codec = models.codec_of(made, store=ctx.store)
    stock = AutoModelForSequenceClassification.from_pretrained(
        ctx.store.folder(base.id), num_labels=6, pad_token_id=codec.pad_id, dtype=torch.float32
    )
    adapted = peft.PeftModel.from_pretrained(stock, ctx.store.folder(made.id))
    prompts = _prompts(ctx, base, 5)
    torch.testing.assert_close(
        _theirs(adapted, prompts, pad=codec.pad_id), _ours(ctx, made, prompts), rtol=1e-4, atol=1e-4
    )


METHODS: dict[str, Any] = {
    "qlora": {"type": "qlora", "rank": 4},
    "dora": {"type": "dora", "rank": 4},
    "bottleneck": {"type": "bottleneck", "width": 8},
    "prefix": {"type": "prefix", "tokens": 6},
    "prompt": {"type": "prompt", "tokens": 6},
    "p_tuning": {"type": "p_tuning", "tokens": 6, "hidden": 8},
    "last_layers": {"type": "last_layers", "last": 1},
    "head": {"type": "last_layers", "last": 0, "head": True},
    "ia3": {"type": "peft", "peft_type": "IA3"},
    "loha": {"type": "peft", "peft_type": "LOHA", "config": {"r": 2}},
}


@pytest.mark.parametrize(
    ("family", "name"),
    [*(("smollm2", name) for name in METHODS), *(("deepseek-v3", name) for name in ("bottleneck", "prefix", "ia3"))],
)
def test_any_method_trains_a_classifier_that_opens_and_is_trained_on(
    ctx: RunContext, base: Checkpoint, name: str, family: str
) -> None:
    base, method = tiny_base(ctx, family=family), METHODS[name]
    made = _tune(ctx, base, method=method, epochs=1)
    prompts = _prompts(ctx, base, 4)
    first = _ours(ctx, made, prompts)
    assert first.shape == (4, 6) and (first[0] - first[1]).abs().max() > 0
    second = _tune(ctx, made, method=method, learning_rate=1e-7, epochs=1)
    torch.testing.assert_close(_ours(ctx, second, prompts), first, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", ["ia3", "loha"])
def test_a_classifier_of_another_kind_opens_in_peft_with_the_same_scores(
    ctx: RunContext, base: Checkpoint, name: str
) -> None:
    made = _tune(ctx, base, method=METHODS[name], epochs=1)
    codec = models.codec_of(made, store=ctx.store)
    stock = AutoModelForSequenceClassification.from_pretrained(
        ctx.store.folder(base.id), num_labels=6, pad_token_id=codec.pad_id, dtype=torch.float32
    )
    adapted = peft.PeftModel.from_pretrained(stock, ctx.store.folder(made.id))
    prompts = _prompts(ctx, base, 5)
    torch.testing.assert_close(
        _theirs(adapted, prompts, pad=codec.pad_id), _ours(ctx, made, prompts), rtol=1e-4, atol=1e-4
    )


def test_evaluation_asks_a_classifier_like_any_other_model(ctx: RunContext, base: Checkpoint) -> None:
    made = _tune(ctx, base, epochs=12)
    data = dataset(ctx, train=rows(2), test=rows(12, first=80))
    report = evaluate(EvaluateSpec(resamples=100), EvaluateInputs(checkpoint=made, dataset=data), ctx=ctx)
    assert report.engine.endswith("classifier")
    state = json.loads(ctx.store.path(made.id, "trainer_state.json").read_text())
    held = [entry["eval_accuracy"] for entry in state["log_history"] if "eval_loss" in entry]
    assert held[-1] > 0.8
    answers = [json.loads(line) for line in ctx.store.path(report.id, "answers.jsonl").read_text().splitlines()]
    assert sum(answer["got"] == answer["expected"] for answer in answers) >= 10
    assert {answer["finish_reason"] for answer in answers} == {"stop"}


def test_rows_with_several_labels_make_a_head_for_several(ctx: RunContext, base: Checkpoint) -> None:
    def both(index: int) -> Row:
        name = str(row(index).label)
        more = (name, "urgent") if index % 2 else (name,)
        return row(index).model_copy(update={"label": "; ".join(more), "labels": more if index % 2 else ()})

    made = _tune(ctx, base, train=[both(index) for index in range(24)], epochs=2)
    classes = read_classes(ctx.store.folder(made.id))
    assert classes is not None
    assert classes.several
    assert "urgent" in classes.names
    assert (
        classes.label(torch.tensor([9.0 if name in ("fee", "urgent") else -9.0 for name in classes.names]))
        == "fee; urgent"
    )


def test_a_classifier_is_trained_on_with_its_head(ctx: RunContext, base: Checkpoint) -> None:
    first = _tune(ctx, base)
    second = _tune(ctx, first, method={}, learning_rate=1e-7)
    prompts = _prompts(ctx, base, 3)
    torch.testing.assert_close(_ours(ctx, second, prompts), _ours(ctx, first, prompts), rtol=1e-2, atol=1e-2)
    with pytest.raises(SeekloopError) as caught:
        _tune(ctx, first, method={}, objective="answers")
    assert caught.value.code == "tune.other_classes"


def test_the_same_run_gives_the_same_id(ctx: RunContext, base: Checkpoint) -> None:
    assert _tune(ctx, base, epochs=1).id == _tune(ctx, base, epochs=1).id


@pytest.mark.parametrize(
    ("change", "option", "code"),
    [
        ({"label": None}, {}, "tune.no_label"),
        ({"labels": ("card", "fee")}, {"problem": "single_label"}, "tune.many_labels"),
        ({"rejected": (Message(role="assistant", content="no"),)}, {}, "tune.other_rows"),
    ],
)
def test_rows_that_have_no_one_class_are_refused(
    ctx: RunContext, base: Checkpoint, change: Any, option: Any, code: str
) -> None:
    with pytest.raises(SeekloopError) as caught:
        _tune(ctx, base, train=[*rows(3), row(9).model_copy(update=change)], objective={"type": "classify", **option})
    assert caught.value.code == code


def test_rows_of_one_class_are_refused(ctx: RunContext, base: Checkpoint) -> None:
    with pytest.raises(SeekloopError) as caught:
        run(
            TuneSpec.parse({"objective": "classify"}),
            TuneInputs(dataset=dataset(ctx, train=[row(0), row(6)]), checkpoint=base),
            ctx=ctx,
        )
    assert (caught.value.code, caught.value.facts["label"]) == ("tune.one_class", "card")
