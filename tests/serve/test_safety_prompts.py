"""The shipped policies on what they were written after; what they find of others, `bench/serve_safety.py` says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import yaml

from seekloop.artifact.rows import Message
from seekloop.artifact.store import Store
from seekloop.serve.safety.options import SafetyOptions
from seekloop.serve.safety.screen import Screen

PROMPTS: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("safety_prompts.yaml").read_text("utf-8"))


@pytest.mark.parametrize("role", ["user", "tool"])
def test_what_is_to_be_stopped_is_and_what_is_near_it_passes(role: Literal["user", "tool"], tmp_path: Path) -> None:
    screen = Screen.open(SafetyOptions(mode="enforce"), store=Store(tmp_path))
    assert screen is not None
    for side in ("stop", "pass"):
        told = PROMPTS[f"{side}_{role}"]
        stopped = [text for text in told if screen.asked([Message(role=role, content=text)]).blocked]
        assert stopped == (told if side == "stop" else [])
