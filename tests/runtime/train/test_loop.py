"""The loop: the same losses however a step is cut up, and no run that cannot be right goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.runtime.train.methods.full import Full
from seekloop.runtime.train.methods.lora import Lora
from seekloop.runtime.train.methods.method import freeze, trainable
from seekloop.runtime.train.state import Work
from seekloop.system.errors import TrainError
from tests.runtime.train.making import Bench, losses, row, rows

GOLDEN = Path(__file__).parent / "golden_losses.json"


@pytest.mark.parametrize(
    "changes",
    [{"sharing": False}, {"tokens_per_batch": 1}, {"tokens_per_batch": 120}, {"pad": 5}],
    ids=["without-shared-prefixes", "one-by-one", "accumulated", "padded-otherwise"],
)
@pytest.mark.parametrize("full", [False, True], ids=["lora", "full"])
def test_how_a_step_is_cut_up_changes_no_loss(
    bench: Bench, tmp_path: Path, full: bool, changes: dict[str, object]
) -> None:
    method = Full() if full else bench.lora()
    whole = bench.train(bench.model(), method, folder=tmp_path / "whole")
    cut = bench.train(bench.model(), method, folder=tmp_path / "cut", **changes)
    assert losses(cut) == pytest.approx(losses(whole), abs=1e-4)


@pytest.mark.parametrize("name", ["lora", "full"])
def test_losses_are_those_on_record(bench: Bench, tmp_path: Path, name: str) -> None:
    method = Full() if name == "full" else bench.lora()
    state = bench.train(bench.model(), method, folder=tmp_path / "work")
    assert losses(state) == pytest.approx(json.loads(GOLDEN.read_text())[name], abs=1e-5)


def test_the_same_run_gives_the_same_bits(bench: Bench, tmp_path: Path) -> None:
    models = [bench.model(), bench.model()]
    for index, model in enumerate(models):
        bench.train(model, bench.lora(dropout=0.1), folder=tmp_path / str(index))
    first, second = (trainable(model) for model in models)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_every_row_weighs_by_its_labelled_tokens(bench: Bench, tmp_path: Path) -> None:
    parts = [row(0, answer="card"), row(1, answer="the transfer has not arrived yet, please wait until Tuesday")]
    state = bench.train(bench.model(), Full(), folder=tmp_path / "work", parts=parts, learning_rate=1e-9)
    views = [view for part in bench.views(parts) for view in part]
    model = bench.model()
    scores = [_score(model, view.ids, view.labels) for view in views]
    expected = sum(total for total, _ in scores) / sum(count for _, count in scores)
    assert losses(state)[0] == pytest.approx(expected, abs=1e-5)


def test_training_lowers_the_validation_loss(bench: Bench, tmp_path: Path) -> None:
    state = bench.train(bench.model(), Full(), folder=tmp_path / "work", validation=rows(4, first=50))
    found = [entry["eval_loss"] for entry in state.history if "eval_loss" in entry]
    assert len(found) == 2
    assert found[1] < found[0]


def test_the_best_epoch_is_kept_when_asked_for(bench: Bench, tmp_path: Path) -> None:
    validation = [row(90, answer="zzzzzzzz")]
    parts = {"validation": validation, "learning_rate": 0.05}
    last, best = bench.model(), bench.model()
    bench.train(last, Full(), folder=tmp_path / "last", **parts)
    state = bench.train(best, Full(), folder=tmp_path / "best", keep="best", **parts)
    assert state.best is not None
    scores = [entry["eval_loss"] for entry in state.history if "eval_loss" in entry]
    assert state.best.loss == min(scores) == scores[0] < scores[1]
    view = bench.views(validation)[0][0]
    total, count = _score(best, view.ids, view.labels)
    assert total / count == pytest.approx(state.best.loss, abs=1e-5)


@pytest.mark.parametrize("family", ["qwen2", "deepseek-v2", "deepseek-v3", "r1-distill-llama"])
def test_every_architecture_trains_on_its_own_targets(ctx: RunContext, tmp_path: Path, family: str) -> None:
    bench = Bench(ctx, family)
    state = bench.train(bench.model(), bench.lora(), folder=tmp_path / "work")
    assert losses(state)[-1] < losses(state)[0]


def test_latent_attention_and_shared_experts_are_adapted_and_the_router_is_not(ctx: RunContext) -> None:
    bench = Bench(ctx, "deepseek-v3")
    model = bench.model()
    bench.lora().apply(model, seed=0)
    adapted = {name.removesuffix(".lora_A") for name in trainable(model) if name.endswith("lora_A")}
    second = {name.removeprefix("model.layers.1.") for name in adapted if name.startswith("model.layers.1.")}
    assert second == {
        *(f"self_attn.{name}_proj" for name in ("q_a", "q_b", "kv_b", "o")),
        "self_attn.kv_a_proj_with_mqa",
        *(f"mlp.shared_experts.{name}_proj" for name in ("gate", "up", "down")),
    }


def test_a_loss_that_is_no_number_stops_names_the_row_and_keeps_the_work_before(
    ctx: RunContext, tmp_path: Path
) -> None:
    bench = Bench(ctx, "qwen2")  # its head is not its embedding, so one bad row harms no other
    parts = [*(row(0, answer="card " * count) for count in range(1, 6)), row(0, answer="~")]
    views = [part[0] for part in bench.views(parts)]
    model = bench.model()
    (only_there,) = set(views[-1].ids) - {id_ for view in views[:-1] for id_ in view.ids}
    with torch.no_grad():
        model.get_input_embeddings().weight[only_there] = float("nan")
    with pytest.raises(TrainError) as caught:
        bench.train(model, bench.lora(), folder=tmp_path / "work", parts=parts, rows_per_step=1)
    assert caught.value.code == "train.not_finite"
    assert caught.value.facts["rows"] == parts[-1].id
    saved = Work(tmp_path / "work").newest()
    assert saved is not None
    assert saved.state.step + 1 == caught.value.facts["step"]


def test_a_rate_too_small_to_move_a_weight_stops_after_the_first_step(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(TrainError) as caught:
        bench.train(bench.model(), Full(), folder=tmp_path / "work", learning_rate=1e-30, weight_decay=0.0)
    assert caught.value.code == "train.not_moving"


def test_a_trained_layer_outside_the_loss_is_named(bench: Bench, tmp_path: Path) -> None:
    model = bench.model()
    model.register_module("idle", nn.Linear(4, 4))
    with pytest.raises(TrainError) as caught:
        bench.train(model, Full(), folder=tmp_path / "work")
    assert caught.value.code == "train.not_connected"
    assert "idle.weight" in str(caught.value.facts["names"])


def test_nothing_but_the_adapter_changes(bench: Bench, tmp_path: Path) -> None:
    before, model = bench.model().state_dict(), bench.model()
    bench.train(model, bench.lora(), folder=tmp_path / "work")
    after = {name.replace(".frozen.", "."): value for name, value in model.state_dict().items()}
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_threads_are_given_back(bench: Bench, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    bench.train(bench.model(), bench.lora(), folder=tmp_path / "work")
    assert torch.get_num_threads() == before


def test_an_adapter_begins_as_its_base(bench: Bench) -> None:
    plain, adapted = bench.model(), bench.model()
    method: Lora = bench.lora()
    method.apply(adapted, seed=0)
    freeze(adapted)
    ids = torch.arange(20).unsqueeze(0)
    assert torch.allclose(plain(input_ids=ids).logits, adapted(input_ids=ids).logits, atol=1e-6)


def _score(model: nn.Module, ids: tuple[int, ...], labels: tuple[int, ...]) -> tuple[float, int]:
    """Summed loss and labelled tokens of one row, by transformers' own logits."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, :-1]
    wanted = torch.tensor(labels[1:])
    return nn.functional.cross_entropy(logits, wanted, reduction="sum").item(), int((wanted >= 0).sum())
