"""Every objective is its formula, in value and gradients, however a step is cut and whoever computes it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Row
from seekloop.model.codec import View
from seekloop.runtime.train.batching import StepPlan, collate, labelled, share_out
from seekloop.runtime.train.loop import LoopConfig, train
from seekloop.runtime.train.methods.full import Full
from seekloop.runtime.train.methods.method import trainable
from seekloop.runtime.train.objectives.objective import Objective
from seekloop.runtime.train.reference import reference_scores
from seekloop.runtime.train.state import Work
from seekloop.runtime.train.workers import Outcome, Workers
from seekloop.tune.objective_spec import (
    AnswersObjective,
    DpoObjective,
    KtoObjective,
    ObjectiveSpec,
    OrpoObjective,
    TextObjective,
)
from tests.runtime.train.judged import disturb, encoded, pairs, plain, texts, verdicts
from tests.runtime.train.making import Bench, losses, rows

Formula = Callable[[nn.Module, nn.Module, list[list[View]]], Tensor]


def _both(model: nn.Module, views: list[View]) -> tuple[Tensor, Tensor]:
    return plain(model, views[0]), plain(model, views[1])


def _ahead(model: nn.Module, start: nn.Module, views: list[View]) -> Tensor:
    (better, worse), (before, other) = _both(model, views), _both(start, views)
    return (better - before.detach()) - (worse - other.detach())


def _dpo(model: nn.Module, start: nn.Module, parts: list[list[View]]) -> Tensor:
    return torch.stack([-logsigmoid(0.1 * _ahead(model, start, views)) for views in parts]).mean()


def _smoothed(model: nn.Module, start: nn.Module, parts: list[list[View]]) -> Tensor:
    ahead = torch.stack([0.1 * _ahead(model, start, views) for views in parts])
    return (-0.8 * logsigmoid(ahead) - 0.2 * logsigmoid(-ahead)).mean()


def _robust(model: nn.Module, start: nn.Module, parts: list[list[View]]) -> Tensor:
    ahead = torch.stack([0.1 * _ahead(model, start, views) for views in parts])
    return ((-0.8 * logsigmoid(ahead) + 0.2 * logsigmoid(-ahead)) / 0.6).mean()


def _hinge(model: nn.Module, start: nn.Module, parts: list[list[View]]) -> Tensor:
    return torch.stack([torch.relu(1 - 0.1 * _ahead(model, start, views)) for views in parts]).mean()


def _ipo(model: nn.Module, start: nn.Module, parts: list[list[View]]) -> Tensor:
    def per_token(views: list[View]) -> Tensor:
        now, before = _both(model, views), _both(start, views)
        better, worse = (
            (one - two.detach()) / labelled(view) for one, two, view in zip(now, before, views, strict=True)
        )
        return better - worse

    return torch.stack([(per_token(views) - 5.0) ** 2 for views in parts]).mean()


def _orpo(model: nn.Module, _start: nn.Module, parts: list[list[View]]) -> Tensor:
    better = torch.stack([plain(model, views[0]) for views in parts])
    lengths = torch.tensor([[float(labelled(view)) for view in views] for views in parts])
    each = torch.stack([torch.stack(_both(model, views)) for views in parts]) / lengths
    odds = each - torch.log(1 - torch.exp(each))
    return -better.sum() / lengths[:, 0].sum() - 0.1 * logsigmoid(odds[:, 0] - odds[:, 1]).mean()


def _next_token(model: nn.Module, _start: nn.Module, parts: list[list[View]]) -> Tensor:
    views = [view for part in parts for view in part]
    return -torch.stack([plain(model, view) for view in views]).sum() / sum(labelled(view) for view in views)


def _kto(model: nn.Module, start: nn.Module, parts: list[list[View]]) -> Tensor:
    views = [views[0] for views in parts]
    begins = [next(place for place, label in enumerate(view.labels) if label >= 0) for view in views]
    strangers = []
    for place, view in enumerate(views):
        prompt, other = view.ids[: begins[place]], views[place - 1].ids[begins[place - 1] :]
        strangers.append(View(row="", turn=0, ids=prompt + other, labels=(-100,) * len(prompt) + other))
    moved = torch.stack([plain(model, view) - plain(start, view) for view in strangers]).mean()
    baseline = moved.detach().clamp(min=0)
    ratios = torch.stack([plain(model, view) - plain(start, view).detach() for view in views])
    good = torch.tensor([index % 3 != 0 for index in range(len(views))])
    losses = torch.where(
        good, 1 - torch.sigmoid(0.1 * (ratios - baseline)), 2 - 2 * torch.sigmoid(0.1 * (baseline - ratios))
    )
    return losses.mean()


CASES: dict[str, tuple[ObjectiveSpec, Callable[[int], list[Row]], Formula]] = {
    "answers": (AnswersObjective(), rows, _next_token),
    "text": (TextObjective(), texts, _next_token),
    "dpo": (DpoObjective(), pairs, _dpo),
    "dpo-smoothed": (DpoObjective(label_smoothing=0.2), pairs, _smoothed),
    "robust": (DpoObjective(loss="robust", label_smoothing=0.2), pairs, _robust),
    "hinge": (DpoObjective(loss="hinge"), pairs, _hinge),
    "ipo": (DpoObjective(loss="ipo"), pairs, _ipo),
    "orpo": (OrpoObjective(), pairs, _orpo),
    "kto": (KtoObjective(undesirable_weight=2.0), verdicts, _kto),
}


def _learn(
    model: nn.Module,
    objective: Objective,
    views: list[View],
    *,
    count: int = 1,
    budget: int = 4096,
    sharing: bool = True,
) -> tuple[Outcome, dict[str, Tensor]]:
    named = trainable(model)
    with Workers.open(model, objective, count=count, threads=1, budget=budget, pad=0, sharing=sharing) as workers:
        whole = workers.whole(views)
        outcome = workers.learn(views, list(named.values()), whole=whole, check=lambda _value, _batch: None)
    return outcome, {name: value.grad for name, value in named.items() if value.grad is not None}


@pytest.mark.parametrize(
    ("name", "family"),
    # In qwen2 the head is not the embedding.
    [*((name, "smollm2") for name in CASES), *((name, "qwen2") for name in ("dpo", "orpo", "kto"))],
)
def test_an_objective_has_the_value_and_gradients_of_its_formula(ctx: RunContext, name: str, family: str) -> None:
    spec, made, formula = CASES[name]
    bench = Bench(ctx, family)
    parts, objective = encoded(bench, spec, made(6))
    model = bench.model()
    Full().apply(model, seed=0)
    disturb(model)
    expected = formula(model, bench.model(), parts)
    outcome, found = _learn(model, objective, [view for part in parts for view in part])
    assert outcome.loss == pytest.approx(expected.item(), rel=1e-5)
    named = trainable(model)
    naive = torch.autograd.grad(expected, list(named.values()))
    for (key, grad), wanted in zip(found.items(), naive, strict=True):
        torch.testing.assert_close(grad, wanted, rtol=1e-3, atol=1e-5, msg=key)


@pytest.mark.parametrize("name", ["answers", "dpo", "ipo", "orpo", "kto"])
def test_no_cut_of_a_step_and_no_number_of_workers_changes_loss_figures_or_gradients(
    ctx: RunContext, name: str
) -> None:
    spec, made, _ = CASES[name]
    bench = Bench(ctx)
    parts, objective = encoded(bench, spec, made(7))
    model = bench.model()
    bench.lora().apply(model, seed=0)
    disturb(model)
    views = [view for part in parts for view in part]
    alone, gradients = _learn(model, objective, views, budget=1, sharing=False)

    @settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(count=st.integers(1, 4), budget=st.integers(1, 800), sharing=st.booleans())
    def check(count: int, budget: int, sharing: bool) -> None:
        outcome, found = _learn(model, objective, views, count=count, budget=budget, sharing=sharing)
        assert outcome.loss == pytest.approx(alone.loss, abs=1e-4)
        assert outcome.figures == pytest.approx(alone.figures, rel=1e-4, abs=1e-4)
        for key, grad in found.items():
            torch.testing.assert_close(grad, gradients[key], rtol=1e-3, atol=1e-5, msg=key)

    check()


RECORDED = json.loads((Path(__file__).parent / "trl_losses.json").read_text())
"""Losses of TRL 1.16 (transformers 5.23) over six epochs of these eight rows in one batch each, all weights trained."""


@pytest.mark.parametrize(
    ("name", "spec", "made"),
    [
        ("dpo", DpoObjective(), pairs),
        ("ipo", DpoObjective(loss="ipo"), pairs),
        ("hinge", DpoObjective(loss="hinge"), pairs),
        ("robust", DpoObjective(loss="robust", label_smoothing=0.2), pairs),
        ("orpo", OrpoObjective(train_on_prompt=True), pairs),
        ("kto", KtoObjective(undesirable_weight=1.5), verdicts),
    ],
)
def test_losses_are_those_that_trl_has_on_the_same_rows_and_weights(
    bench: Bench, tmp_path: Path, name: str, spec: ObjectiveSpec, made: Callable[[int], list[Row]]
) -> None:
    parts, objective = encoded(bench, spec, made(8))
    state = train(
        bench.model(),
        Full(),
        plan=StepPlan(rows=parts, rows_per_step=8, epochs=6, max_steps=None, seed=0),
        config=LoopConfig(
            learning_rate=1e-2,
            schedule="linear",
            warmup=0.0,
            weight_decay=0.0,
            max_grad_norm=1.0,
            tokens_per_batch=200,
            pad=bench.codec.pad_id,
            objective=objective,
        ),
        validation=[],
        work=Work(tmp_path / "work"),
        ctx=bench.ctx,
    )
    assert losses(state) == pytest.approx(RECORDED[name], rel=1e-4, abs=1e-4)


def test_a_model_that_is_its_own_reference_loses_log_two(bench: Bench) -> None:
    parts, objective = encoded(bench, DpoObjective(), pairs(4))
    model = bench.model()
    bench.lora().apply(model, seed=0)
    outcome, _ = _learn(model, objective, [view for part in parts for view in part])
    assert outcome.loss == pytest.approx(math.log(2), abs=1e-6)
    assert outcome.figures["rewards/margins"] == pytest.approx(0.0, abs=1e-4)


def test_two_answers_to_one_question_are_never_parted(bench: Bench) -> None:
    parts, _ = encoded(bench, DpoObjective(), pairs(9))
    views = [view for part in parts for view in part]
    for budget in (1, 100, 300):
        for hand in share_out(views, budget=budget, sharing=True, workers=3, together=True):
            for batch in hand:
                sides = {(view.row, view.side) for view in batch}
                assert {(row, 0) for row, _ in sides} | {(row, 1) for row, _ in sides} == sides


def test_the_prompt_of_a_pair_is_computed_once(bench: Bench) -> None:
    long = [
        part.model_copy(update={"messages": (*part.messages[:1], _lengthened(part), part.messages[2])})
        for part in pairs(1)
    ]
    parts, _ = encoded(bench, DpoObjective(), long)
    batch = collate(parts[0], pad=0, sharing=True)
    assert batch.prefix > 48
    assert batch.prefix == next(place for place, label in enumerate(parts[0][0].labels) if label >= 0) - 1


def test_orpo_may_learn_the_prompt_of_the_better_answer_too(bench: Bench) -> None:
    parts, objective = encoded(bench, OrpoObjective(train_on_prompt=True), pairs(4))
    apart, _ = encoded(bench, OrpoObjective(), pairs(4))
    better, other = parts[0], apart[0]
    assert labelled(better[0]) == len(better[0].ids) - 1
    assert better[1] == other[1]
    model = bench.model()
    Full().apply(model, seed=0)
    views = [view for part in parts for view in part]
    outcome, _ = _learn(model, objective, views)
    whole = [part[0] for part in parts]
    expected = _next_token(model, model, [whole])
    preferred = _orpo(model, model, apart) - _next_token(model, model, [[part[0]] for part in apart])
    assert outcome.loss == pytest.approx((expected + preferred).item(), rel=1e-5)


def test_what_the_start_thinks_is_computed_once_and_taken_up_after_a_crash(bench: Bench, tmp_path: Path) -> None:
    parts, _ = encoded(bench, DpoObjective(), pairs(40))
    views = [view for part in parts for view in part]
    file = tmp_path / "reference.jsonl"

    def scores() -> list[float]:
        return reference_scores(bench.model(), views, file=file, tokens_per_batch=4096, pad=0, ctx=bench.ctx)

    whole = scores()
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + second[:20])
    assert scores() == whole
    assert file.read_bytes() == first + second
    assert whole[0] == pytest.approx(plain(bench.model(), views[0]).item(), rel=1e-5)


def test_nothing_is_dropped_while_the_model_is_measured(bench: Bench) -> None:
    parts, objective = encoded(bench, DpoObjective(), pairs(4))
    views = [view for part in parts for view in part]
    found: list[tuple[float, list[float]]] = []
    for dropout in (0.0, 0.5, 0.5):
        model = bench.model()
        bench.lora(dropout=dropout).apply(model, seed=0)
        disturb(model)
        with Workers.open(model, objective, count=1, threads=1, budget=4096, pad=0, sharing=False) as workers:
            found.append((workers.measure(views).loss, workers.score(views)))
            assert any(layer.training for layer in model.modules())
    assert found[0] == found[1] == found[2]


def _lengthened(part: Row) -> object:
    return part.messages[1].model_copy(update={"content": part.messages[1].content * 4})
