"""Adapters are opened by what they say they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch import nn

from seekloop.runtime.train.methods.adapters import open_adapter
from seekloop.runtime.train.methods.peft_kinds import PeftKind
from seekloop.system.errors import ModelError
from tests.runtime.train.making import Bench


def test_an_adapter_of_an_unknown_kind_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "NEWEST"}), "utf-8")
    with pytest.raises(ModelError, match="NEWEST") as refused:
        open_adapter(nn.Linear(1, 1), tmp_path)
    assert refused.value.code == "train.adapter_kind"


def test_a_folder_without_an_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as refused:
        open_adapter(nn.Linear(1, 1), tmp_path)
    assert refused.value.code == "train.no_adapter"


def test_an_adapter_that_does_not_fit_is_refused_by_peft_in_one_sentence(bench: Bench, tmp_path: Path) -> None:
    method, model = PeftKind("IA3", {"target_modules": ["q_proj"], "feedforward_modules": []}, base=""), bench.model()
    method.apply(model, seed=0)
    method.export(model, tmp_path)
    with pytest.raises(ModelError) as refused:
        open_adapter(Bench(bench.ctx, "deepseek-v2").model(), tmp_path)
    assert refused.value.code == "train.adapter_not_opened"
    assert "\n" not in refused.value.sentence("en")


def test_peft_leaves_no_version_and_no_place_in_the_folder(bench: Bench, tmp_path: Path) -> None:
    method, model = (
        PeftKind("IA3", {"target_modules": ["q_proj"], "feedforward_modules": []}, base="one"),
        bench.model(),
    )
    method.apply(model, seed=0)
    method.export(model, tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "one"
    assert "peft_version" not in config
