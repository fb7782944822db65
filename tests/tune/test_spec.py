"""The tune spec: defaults, other trainers' names, and refusals that name the key."""

from __future__ import annotations

from typing import Any

import pytest

from seekloop.system.errors import UsageError
from seekloop.tune.aliases import ALIASES
from seekloop.tune.method_spec import FullMethod, LoraMethod
from seekloop.tune.objective_spec import AnswersObjective, DpoObjective, KtoObjective
from seekloop.tune.schedule_spec import ScheduleSpec
from seekloop.tune.soft_spec import BottleneckMethod, LastLayersMethod, PTuningMethod
from seekloop.tune.spec import TuneSpec


def test_nothing_given_is_lora_on_all_layers() -> None:
    method = TuneSpec().method
    assert isinstance(method, LoraMethod)
    assert method.targets is None


def test_a_rank_alone_is_a_lora_rank() -> None:
    assert TuneSpec.parse({"method": {"rank": 8}}).method == LoraMethod(rank=8)


def test_a_method_may_be_given_by_its_name_alone() -> None:
    assert TuneSpec.parse({"method": "full"}).method == FullMethod()


LLAMA_FACTORY = {
    "finetuning_type": "lora",
    "lora_rank": 8,
    "lora_alpha": 16,
    "lora_target": "q_proj,v_proj",
    "cutoff_len": 512,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 4,
    "learning_rate": 1.0e-4,
    "num_train_epochs": 3.0,
    "lr_scheduler_type": "constant_with_warmup",
    "warmup_ratio": 0.1,
    "save_steps": 50,
}


def test_a_llama_factory_config_reads_as_it_is() -> None:
    spec = TuneSpec.parse(LLAMA_FACTORY)
    assert spec == TuneSpec(
        method=LoraMethod(rank=8, alpha=16, targets=("q_proj", "v_proj")),
        max_length=512,
        rows_per_step=8,
        learning_rate=1e-4,
        epochs=3,
        schedule=ScheduleSpec(type="constant", warmup_ratio=0.1),
        save_every_steps=50,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"lora_target": "all"}, {"method": {"targets": None}}),
        ({"target_modules": ["q_proj"]}, {"method": {"targets": ["q_proj"]}}),
        ({"use_rslora": True}, {"method": {"scaling": "rank_stabilised"}}),
        ({"method": {"r": 4, "lora_dropout": 0.1}}, {"method": {"rank": 4, "dropout": 0.1}}),
        ({"adapter": "lora", "lora_r": 4}, {"method": {"type": "lora", "rank": 4}}),
        ({"load_best_model_at_end": True}, {"keep": "best"}),
        ({"micro_batch_size": 3}, {"rows_per_step": 3}),
        ({"lr": 0.1, "num_epochs": 1}, {"learning_rate": 0.1, "epochs": 1}),
        ({"schedule": "linear"}, {"schedule": {"type": "linear"}}),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, {"schedule": {"type": "cosine"}}),
        ({"warmup_ratio": 0.3, "schedule": "constant"}, {"schedule": {"type": "constant", "warmup_ratio": 0.3}}),
        ({"warmup_steps": 5}, {"schedule": {"warmup_steps": 5}}),
        ({"min_lr": 1e-6}, {"schedule": {"final_learning_rate": 1e-6}}),
        ({"lr_scheduler_kwargs": {"min_lr": 1e-6}}, {"schedule": {"final_learning_rate": 1e-6}}),
        (
            {"learning_rate": 0.5, "lr_scheduler_kwargs": {"min_lr_rate": 0.5}},
            {"learning_rate": 0.5, "schedule": {"final_learning_rate": 0.25}},
        ),
        ({"max_steps": -1}, {"max_steps": None}),
        ({"eval_steps": 50}, {"validation": {"every_steps": 50}}),
        ({"validate_every_steps": 50}, {"validation": {"every_steps": 50}}),
        (
            {"early_stopping_patience": 3, "early_stopping_threshold": 0.01, "metric_for_best_model": "eval_loss"},
            {"validation": {"patience": 3, "min_delta": 0.01, "metric": "loss"}},
        ),
        ({"bf16": True, "gradient_checkpointing": False}, {"compute": {"precision": "bf16", "checkpointing": "off"}}),
        ({"save_optimizer": True}, {"optimizer": {"save": True}}),
        ({"resume_from_checkpoint": True, "packing": False}, {}),
        (
            {"tuner_type": "prompt_tuning", "num_virtual_tokens": 8, "prompt_tuning_init": "SAMPLE_VOCAB"},
            {"method": {"type": "prompt", "tokens": 8, "init": "vocabulary"}},
        ),
        (
            {"method": {"type": "p_tuning", "encoder_reparameterization_type": "LSTM", "encoder_hidden_size": 8}},
            {"method": {"type": "p_tuning", "encoder": "lstm", "hidden": 8}},
        ),
        ({"finetuning_type": "freeze"}, {"method": {"type": "last_layers", "last": 2}}),
        (
            {"finetuning_type": "freeze", "freeze_trainable_layers": 3},
            {"method": {"type": "last_layers", "last": 3}},
        ),
        ({"method": {"type": "bottleneck", "adapter_length": 8}}, {"method": {"type": "bottleneck", "width": 8}}),
        (
            {"rlhf_type": "dpo", "beta": 0.2, "loss_type": "ipo"},
            {"objective": {"type": "dpo", "beta": 0.2, "loss": "ipo"}},
        ),
        ({"plot_loss": True}, {"report_to": ["curves"]}),
        ({"plot_loss": True, "report_to": "none"}, {"report_to": ["curves"]}),
        ({"logging_steps": 10, "save_total_limit": 3, "optim": "adamw_torch", "eval_strategy": "steps"}, {}),
        ({"optimizer": "adamw_torch", "fp16": False, "output_dir": None, "val_size": None}, {}),
    ],
)
def test_other_names_mean_ours(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert TuneSpec.parse(given) == TuneSpec.parse(expected)


METHODS = (LoraMethod, BottleneckMethod, LastLayersMethod, PTuningMethod)


def test_every_alias_leads_to_a_key_that_exists() -> None:
    for path, _ in ALIASES.values():
        parent, _, leaf = path.rpartition(".")
        groups = {"": (TuneSpec,), "method": METHODS, "objective": (AnswersObjective, DpoObjective, KtoObjective)}
        owners = groups.get(parent) or (type(TuneSpec().__dict__[parent]),)
        assert any(leaf in owner.model_fields for owner in owners)


@pytest.mark.parametrize(
    "given",
    [
        {"lr": 0.1, "learning_rate": 0.1},
        {"lora_rank": 4, "method": {"rank": 4}},
        {"per_device_train_batch_size": 2, "rows_per_step": 2},
        {"warmup_steps": 2, "schedule": {"warmup_steps": 2}},
        {"schedule": "linear", "lr_scheduler_type": "linear"},
    ],
)
def test_a_key_under_two_names_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse(given)
    assert caught.value.code == "tune.key_twice"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"warmup_ratio": 0.1, "warmup_steps": 10}, "tune.two_warmups"),
        ({"schedule": {"type": "constant", "final_learning_rate": 1e-6}}, "tune.constant_has_no_end"),
        ({"learning_rate": 1e-4, "final_learning_rate": 1e-3}, "tune.rate_would_rise"),
        ({"packing": True}, "tune.no_packing"),
        ({"resume_from_checkpoint": "output/checkpoint-50"}, "tune.resume_key"),
        ({"lr_scheduler_kwargs": {"num_cycles": 2}}, "system.spec_unknown_key"),
        ({"fp16": True}, "system.spec_unknown_key"),
        ({"optim": "lion"}, "system.spec_unknown_key"),
        *(({key: "x"}, "tune.key_of_run") for key in ("run_name", "logging_dir", "output_dir", "model_name_or_path")),
        *(({key: "x"}, "tune.key_of_data") for key in ("template", "datasets", "val_set_size")),
        ({"finetuning_type": "freeze", "freeze_trainable_layers": -2}, "system.spec_bad_value"),
    ],
)
def test_what_contradicts_itself_or_promises_something_else_is_refused(given: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse(given)
    assert caught.value.code == code


def test_reading_a_spec_changes_nothing_of_what_was_given() -> None:
    given = {"schedule": {"type": "linear"}, "warmup_steps": 3}
    TuneSpec.parse(given)
    assert given == {"schedule": {"type": "linear"}, "warmup_steps": 3}


def test_an_unknown_key_is_refused_with_the_likely_one() -> None:
    with pytest.raises(UsageError, match="did you mean learning_rate"):
        TuneSpec.parse({"learnin_rate": 0.1})


@pytest.mark.parametrize(
    ("given", "likely"),
    [("num_virtual_token", "num_virtual_tokens"), ("gradient_accumulation_step", "gradient_accumulation_steps")],
)
def test_a_key_that_is_nearly_another_trainers_names_that(given: str, likely: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean {likely}"):
        TuneSpec.parse({given: 1})


def test_a_method_that_we_lack_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse({"finetuning_type": "oft"})
    assert caught.value.code == "system.spec_bad_value"


@pytest.mark.parametrize("given", [{"epochs": 0}, {"learning_rate": 0}, {"warmup_ratio": 1}, {"method": {"rank": 0}}])
def test_numbers_that_make_no_sense_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse(given)
    assert caught.value.code == "system.spec_bad_value"
