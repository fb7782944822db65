"""Adapters are opened by what they say they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch import nn

from seekloop.runtime.train.methods.adapters import open_adapter
from seekloop.system.errors import ModelError


def test_an_adapter_of_an_unknown_kind_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "NEWEST"}), "utf-8")
    with pytest.raises(ModelError, match="NEWEST") as refused:
        open_adapter(nn.Linear(1, 1), tmp_path)
    assert refused.value.code == "train.adapter_kind"


def test_a_folder_without_an_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as refused:
        open_adapter(nn.Linear(1, 1), tmp_path)
    assert refused.value.code == "train.no_adapter"
