"""The adviser: what fits is taken, every number has its formula, and a deadline is kept or refused with reasons."""

from __future__ import annotations

import typing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.model import published
from seekloop.model.devices import Machine, machine
from seekloop.tune.advise import Question, Task, advise, rules
from seekloop.tune.aliases import PRESETS
from seekloop.tune.spec import TuneSpec

HERE = Machine(name="two cores", memory=8 * 2**30, flops=5e10, source="made up", local=True, workers=2)
SMALL = Question(
    config=published.config_of("smollm2-135m"),
    family="smollm2",
    machine=HERE,
    rows=400,
    row_tokens=60,
    labelled=0.3,
    longest=200,
)


def on(model: str, hardware: str, **more: object) -> Question:
    config = published.config_of(model)
    asked = replace(SMALL, config=config, family=config["family"], machine=machine(hardware), rows=5000, row_tokens=500)
    return replace(asked, longest=2000, **more)


def candidate(question: Question, method: str):
    return next(one for one in advise(question).candidates if one.method == method)


def number(question: Question, method: str, name: str) -> float:
    return next(one.value for one in candidate(question, method).numbers if one.name == name)


@given(
    st.integers(1, 10**7),
    st.integers(1, 4000),
    st.sampled_from(typing.get_args(Task)),
    st.sampled_from([None, 60.0, 3600.0, 86400.0]),
)
def test_whatever_is_advised_is_a_spec_that_fits(rows, tokens, task, deadline):
    question = replace(SMALL, rows=rows, row_tokens=tokens, longest=2 * tokens, task=task, deadline_s=deadline)
    for one in advise(question).candidates:
        if one.fits:
            spec = TuneSpec.parse(one.spec)
            assert one.memory <= HERE.memory and spec.tokens_per_batch >= 2 * tokens
            assert deadline is None or one.seconds <= deadline * 1.001


def test_every_number_has_a_formula_and_the_rules_a_source():
    chosen = advise(SMALL).chosen
    assert chosen is not None and all(one.formula for one in chosen.numbers)
    assert {one.name for one in chosen.numbers if not one.source} <= {"tokens_per_batch", "steps", "cost"}


@pytest.mark.parametrize(("rank", "share"), [(8, 1.0), (16, 1.0), (32, 1.0), (64, 0.5)])
def test_the_rate_halves_beyond_rank_32(rank, share):
    rows = {8: 500, 16: 5_000, 32: 50_000, 64: 500_000}[rank]
    question = replace(SMALL, rows=rows)
    assert (number(question, "lora", "rank"), number(question, "lora", "learning_rate")) == (rank, 1e-3 * share)


@pytest.mark.parametrize(
    ("model", "hardware", "fits"),
    [
        ("deepseek-7b", "A100 80GB x1", True),
        ("deepseek-67b", "RTX 4090", False),
        ("deepseek-67b", "A100 80GB x1", False),
        ("deepseek-67b", "A100 80GB x8", True),
        ("deepseek-v3", "H100 x8", False),
        ("deepseek-v3", "H200 x16", True),
    ],
)
def test_lora_on_deepseek_fits_where_its_weights_do(model, hardware, fits):
    found = candidate(on(model, hardware), "lora")
    assert (not found.why) == fits
    assert fits or "such devices, sharded, would hold it" in found.why


def test_full_training_of_7b_takes_sixteen_bytes_a_weight():
    parts = {part.name: part.bytes for part in candidate(on("deepseek-7b", "A100 80GB"), "full").parts}
    fixed = parts["weights"] + parts["moments"]
    assert fixed == pytest.approx(10 * 6_910_365_696, rel=1e-6)


def test_quantised_weights_take_about_half_a_byte():
    lora, qlora = (candidate(on("deepseek-67b", "A100 80GB"), name).parts[0].bytes for name in ("lora", "qlora"))
    assert 0.25 < qlora / lora < 0.29


def test_several_devices_copy_what_fits_and_share_what_does_not():
    assert "DDP" in candidate(on("deepseek-7b", "A100 80GB x4"), "lora").parallel
    assert "FSDP" in candidate(on("deepseek-67b", "A100 80GB x8"), "lora").parallel


def test_a_deadline_cuts_epochs_then_steps_and_says_what_is_not_seen():
    free = candidate(SMALL, "lora")
    shorter = candidate(replace(SMALL, deadline_s=free.seconds / 2), "lora")
    least = candidate(replace(SMALL, deadline_s=free.seconds / 20), "lora")
    assert shorter.fits and shorter.spec["epochs"] < free.spec["epochs"] and "max_steps" not in shorter.spec
    assert least.fits and least.spec["max_steps"] < 50 and "of the rows are seen" in least.why


def test_a_deadline_that_no_step_meets_is_refused():
    advice = advise(replace(SMALL, deadline_s=1e-6))
    assert advice.chosen is None
    assert all("even at one step" in one.why for one in advice.candidates)


def test_the_cost_is_hours_times_devices_times_price():
    found = candidate(on("deepseek-7b", "A100 80GB x4", price=2.5), "lora")
    assert found.cost == pytest.approx(found.seconds / 3600 * 4 * 2.5)


def test_every_name_of_the_rules_is_a_method_of_a_spec_and_every_preset_is_counted():
    names = {one.method for one in advise(SMALL).candidates}
    assert names == set(rules()["methods"]) >= set(PRESETS)
    for one in advise(SMALL).candidates:
        assert TuneSpec.parse(one.spec).method == TuneSpec.parse({"method": one.spec["method"]}).method


@pytest.mark.parametrize(
    ("task", "rows", "chosen"),
    [("chat", 5000, "lora"), ("style", 5000, "lora_mlp"), ("knowledge", 50_000, "rslora"), ("classify", 400, "lora")],
)
def test_the_task_and_the_rank_decide_the_order(task, rows, chosen):
    found = advise(replace(SMALL, task=task, rows=rows)).chosen
    assert found is not None and found.method == chosen


def test_a_head_is_named_where_the_rows_teach_labels_and_only_there():
    told = [
        any("classify" in note for note in advise(replace(SMALL, task=task)).notes) for task in ("classify", "chat")
    ]
    assert told == [True, False]


def test_a_deadline_that_only_the_last_layers_meet_whole_is_theirs():
    lora, last = (candidate(SMALL, name).seconds for name in ("lora", "last_layers"))
    advice = advise(replace(SMALL, deadline_s=(lora + last) / 2))
    assert last < lora and advice.chosen is not None
    assert (advice.chosen.method, advice.chosen.whole) == ("last_layers", True)


def test_what_does_not_pay_is_counted_and_never_taken():
    tight = replace(SMALL, machine=replace(HERE, memory=candidate(SMALL, "full").memory // 3))
    found = {one.method: one for one in advise(tight).candidates}
    assert (
        not found["dora"].advised
        and "no gain" in found["dora"].why
        and found["dora"].seconds > 1.2 * found["lora"].seconds
    )
    assert not any(found[name].advised for name in ("prefix", "prompt", "p_tuning", "bottleneck", "pissa"))
