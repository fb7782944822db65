"""Smaller models through the stage: what comes out opens anywhere, is bounded, resumable and the same each time."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from seekloop.artifact.kinds import Checkpoint
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.compress.stage import run
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import ModelError
from tests.compress.small_rows import dataset_of, row

QUICK = {"epochs": 1, "max_steps": 3, "rows_per_step": 4, "learning_rate": 1e-3}
PRUNE = {"type": "prune", "layers": 0.5, "heads": 0.5, "channels": 0.5, "recover": QUICK}
DISTIL = {"type": "distil", "training": QUICK, "max_tokens": 6}


@pytest.fixture
def dataset(ctx):
    return lambda *rows, **more: dataset_of(ctx, *rows, **more)


@pytest.fixture
def smaller(ctx, dataset):
    def make(parent: Checkpoint, method, *, rows=None):
        spec = CompressSpec.parse({"method": method})
        return run(spec, CompressInputs(checkpoint=parent, dataset=rows or dataset()), ctx=ctx)

    return make


def told(ctx, checkpoint):
    return json.loads(ctx.store.path(checkpoint.id, "smaller.json").read_text())


def opened(ctx, checkpoint):
    return AutoModelForCausalLM.from_pretrained(ctx.store.folder(checkpoint.id), local_files_only=True)


def test_a_pruned_model_opens_unmodified_in_transformers(ctx, adapter, smaller):
    made = smaller(adapter, PRUNE)
    model = opened(ctx, made)
    assert (model.config.num_hidden_layers, model.config.num_attention_heads) == (1, 1)
    assert (model.config.intermediate_size, model.config.head_dim) == (64, 32)
    assert made.parameters == model.num_parameters()
    assert torch.isfinite(model(torch.arange(9)[None]).logits).all()


def test_a_pruned_model_answers_in_the_engines(adapter, smaller, greedy):
    assert all(len(answer) == 16 for answer in greedy(smaller(adapter, PRUNE)))


def test_its_origin_names_parent_rows_and_trained_tokens(adapter, smaller, dataset):
    rows = dataset()
    made = smaller(adapter, PRUNE, rows=rows)
    assert made.parents["checkpoint"] == adapter.id
    assert made.parents["dataset"] == rows.id
    assert made.trained_tokens > adapter.trained_tokens


def test_pruning_twice_gives_the_same_id(adapter, smaller):
    assert smaller(adapter, PRUNE).id == smaller(adapter, PRUNE).id


def test_recovery_brings_a_pruned_model_nearer_to_its_parent(ctx, sharp, smaller):
    parent = sharp("smollm2")
    longer = {**QUICK, "epochs": 10, "max_steps": 20}
    facts = told(ctx, smaller(parent, {**PRUNE, "teacher_share": 1.0, "recover": longer, "allow": {"kl": 9}}))
    assert facts["kl"] < facts["kl_unrecovered"]


def test_low_rank_recovery_leaves_a_plain_model(ctx, tiny, smaller):
    made = smaller(tiny, {**PRUNE, "recover": {**QUICK, "method": "lora", "rank": 4}})
    assert made.form == "full"
    assert not [name for name in opened(ctx, made).state_dict() if "lora" in name]


def test_what_is_too_far_from_its_parent_is_refused(sharp, smaller):
    with pytest.raises(ModelError) as caught:
        smaller(sharp("smollm2"), {**PRUNE, "recover": None, "allow": {"kl": 1e-6}})
    assert caught.value.code == "compress.too_far"


@pytest.mark.parametrize(("rows", "code"), [({"calibration": 0}, "split_empty"), ({"test": (row(0),)}, "rows_leaked")])
def test_rows_that_cannot_do_are_refused(tiny, smaller, dataset, rows, code):
    with pytest.raises(ModelError) as caught:
        smaller(tiny, PRUNE, rows=dataset(**rows))
    assert caught.value.code == f"compress.{code}"


def test_without_a_dataset_it_is_refused(ctx, tiny):
    with pytest.raises(ModelError) as caught:
        run(CompressSpec.parse({"method": PRUNE}), CompressInputs(checkpoint=tiny), ctx=ctx)
    assert caught.value.code == "compress.needs_rows"


def test_a_student_of_half_the_depth_learns_from_its_parent(ctx, sharp, smaller):
    parent = sharp("smollm2")
    method = {**DISTIL, "loss": {"share": 1.0}, "training": {**QUICK, "epochs": 10, "max_steps": 20}}
    made = smaller(parent, method)
    facts = told(ctx, made)
    assert opened(ctx, made).config.num_hidden_layers == 1
    assert facts["kl"] < facts["kl_untaught"]


def test_questions_without_answers_are_answered_by_the_teacher(ctx, tiny, smaller, dataset):
    facts = told(ctx, smaller(tiny, DISTIL, rows=dataset(questions=3)))
    assert facts["rows"]["train"] + facts["rows"]["answer_unfinished"] == 11


def test_hidden_states_are_learned_and_leave_nothing_behind(ctx, tiny, smaller):
    method = {**DISTIL, "student": {"depth": 0.5, "hidden": 0.5}, "loss": {"hidden": {"weight": 0.5}}}
    made = smaller(tiny, method)
    assert not [name for name in opened(ctx, made).state_dict() if "distil" in name]


def test_the_bound_is_measured_without_the_temperature_of_the_lesson(ctx, sharp, smaller):
    method = {"type": "distil", "student": {"depth": 1.0}, "loss": {"temperature": 4.0}, "training": QUICK}
    assert told(ctx, smaller(sharp("smollm2"), method))["kl_untaught"] < 1e-3


def test_a_config_gives_the_students_shape(ctx, tiny, smaller):
    config = json.loads(ctx.store.path(tiny.id, "config.json").read_text()) | {
        "num_hidden_layers": 1,
        "intermediate_size": 96,
        "head_dim": 32,
    }
    (ctx.root / "student.json").write_text(json.dumps(config))
    made = smaller(tiny, {**DISTIL, "student": {"config": "student.json"}})
    assert told(ctx, made)["shape"]["channels"] == 96


def test_a_larger_checkpoint_teaches_a_smaller_one(ctx, tiny, smaller):
    large = tiny_base(ctx, hidden=128, layers=3)
    method = {**DISTIL, "student": {"depth": 1.0}, "teacher": {"type": "checkpoint", "id": large.id}}
    made = smaller(tiny, method)
    assert made.parents["teacher"] == large.id
    assert opened(ctx, made).config.hidden_size == 64


def test_a_teacher_with_other_tokens_gives_only_answers(ctx, tiny, smaller):
    other = tiny_base(ctx, family="qwen2")
    with pytest.raises(ModelError) as caught:
        smaller(tiny, {**DISTIL, "teacher": {"type": "checkpoint", "id": other.id}})
    assert caught.value.code == "compress.answers_only"


def test_a_shape_that_no_config_has_is_refused(tiny, smaller):
    with pytest.raises(ModelError) as caught:
        smaller(tiny, {"type": "prune", "experts": 0.5})
    assert caught.value.code == "compress.no_such_shape"
