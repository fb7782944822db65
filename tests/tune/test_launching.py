"""How a command finds out that it is one of several processes, and what it then takes and refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seekloop.artifact.context import RunContext
from seekloop.runtime.tiny import tiny_base
from seekloop.system import settings
from seekloop.system.errors import TrainError, UsageError
from seekloop.tune import zero_config
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.runtime.train.making import dataset, rows

PRINT = "from seekloop.system import settings; print(settings.threads(), settings.cores(), sorted(settings.faults()))"


def _python(code: str, **environment: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=settings.child_environment(**environment), capture_output=True, text=True)
    return done.stdout.strip()


def test_processes_of_one_machine_share_its_cores() -> None:
    asked = {"SEEKLOOP_THREADS": "", "RANK": "0", "WORLD_SIZE": "8"}
    here = settings.cores()
    assert _python(PRINT, **asked, LOCAL_WORLD_SIZE="1") == f"{here} {here} []"
    assert _python(PRINT, **asked, LOCAL_WORLD_SIZE=str(here)) == f"1 {here} []"


def test_numbers_of_a_launcher_that_make_no_sense_are_faults() -> None:
    code = "from seekloop.system import settings; print(sorted(settings.faults().items()))"
    assert _python(code, RANK="first", WORLD_SIZE="0") == "[('RANK', ('first', 0)), ('WORLD_SIZE', ('0', 1))]"


def test_a_verb_that_one_process_does_is_refused_under_a_launcher(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("seekloop"), "status", "--project", tmp_path],
        env=settings.child_environment(RANK="1", WORLD_SIZE="2", SEEKLOOP_LANG="en"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error of process 1: this was started as 2 processes, and only tune, continue")


@pytest.mark.parametrize("given", ["full_shard", "full_shard auto_wrap", ["full_shard", "auto_wrap"], True])
def test_other_trainers_words_for_splitting_a_model_are_understood(given: object) -> None:
    assert TuneSpec.parse({"fsdp": given}).compute.sharding == "fsdp"


def test_another_way_of_splitting_is_refused_in_one_sentence() -> None:
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse({"fsdp": "shard_grad_op"})
    assert caught.value.code == "tune.not_sharded"


def test_configs_that_split_nothing_read_as_they_are() -> None:
    assert TuneSpec.parse({"deepspeed": None, "fsdp": ""}) == TuneSpec()


def _zero(**more: Any) -> dict[str, Any]:
    return {"zero_optimization": {"stage": 2}, **more}


def test_a_deepspeed_file_is_read_into_the_spec(tmp_path: Path) -> None:
    file = tmp_path / "ds.json"
    file.write_text(json.dumps(_zero(train_batch_size="auto")), "utf-8")
    spec = TuneSpec.parse({"deepspeed": str(file)})
    assert spec.compute.deepspeed == _zero(train_batch_size="auto")


@pytest.mark.parametrize(
    "config",
    [
        _zero(train_batch_size=8, gradient_clipping=1.0, train_micro_batch_size_per_gpu="auto"),
        _zero(optimizer={"type": "AdamW", "params": {"lr": "auto", "betas": "auto", "weight_decay": 0.0}}),
        _zero(bf16={"enabled": "auto"}, fp16={"enabled": False}, steps_per_print=100),
    ],
)
def test_a_deepspeed_configuration_that_says_the_same_is_taken(config: dict[str, Any]) -> None:
    assert TuneSpec.parse({"deepspeed": config}).compute.deepspeed == config


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (_zero(train_batch_size=16), "train_batch_size"),
        (_zero(gradient_accumulation_steps=4), "gradient_accumulation_steps"),
        (_zero(gradient_clipping=0.5), "gradient_clipping"),
        (_zero(optimizer={"type": "Lamb"}), "optimizer.type"),
        (_zero(scheduler={"type": "WarmupLR"}), "scheduler.type"),
        (_zero(fp16={"enabled": True}), "fp16.enabled"),
    ],
)
def test_a_deepspeed_configuration_that_says_otherwise_is_refused_by_key(config: dict[str, Any], key: str) -> None:
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse({"deepspeed": config})
    assert (caught.value.code, caught.value.facts["key"]) == ("tune.deepspeed_clash", key)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"deepspeed": "nowhere.json"}, "tune.deepspeed_file"),
        ({"deepspeed": {"zero_optimization": {"stage": 0}}}, "tune.deepspeed_stage"),
        ({"deepspeed": _zero(), "keep": "best", "validation": {"patience": 1}}, "tune.deepspeed_last"),
        ({"deepspeed": _zero(), "fsdp": "full_shard"}, "tune.split_twice"),
    ],
)
def test_what_deepspeed_cannot_do_here_is_said(given: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse(given)
    assert caught.value.code == code


def test_auto_is_filled_in_and_what_is_ours_taken_out() -> None:
    config = {
        "zero_optimization": {"stage": 3, "reduce_bucket_size": "auto", "overlap_comm": False},
        "train_batch_size": "auto",
        "optimizer": {"type": "AdamW", "params": {"lr": "auto"}},
        "wall_clock_breakdown": True,
    }
    found = zero_config.filled(config, processes=4, max_grad_norm=0.5, hidden=64)
    assert found["zero_optimization"] == {"stage": 3, "reduce_bucket_size": 4096, "overlap_comm": False}
    assert (found["train_batch_size"], found["gradient_clipping"]) == (4, 0.5)
    assert found["wall_clock_breakdown"] is True
    assert "optimizer" not in found


def test_an_auto_that_nobody_knows_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        zero_config.filled(_zero(steps_per_print="auto"), processes=2, max_grad_norm=1.0, hidden=64)
    assert (caught.value.code, caught.value.facts["key"]) == ("tune.deepspeed_auto", "steps_per_print")


@pytest.mark.parametrize("method", ["prefix", "qlora"])
def test_what_is_not_split_is_refused_before_the_run(ctx: RunContext, method: str) -> None:
    base = tiny_base(ctx)
    data = dataset(ctx, train=rows(4))
    spec = TuneSpec.parse({"method": method, "fsdp": "full_shard"})
    with pytest.raises(TrainError) as caught:
        run(spec, TuneInputs(dataset=data, checkpoint=base), ctx=ctx)
    assert caught.value.code == "tune.not_split"
