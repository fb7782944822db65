"""The whole loop once, on the tiny model and part of the shipped sample, with the real server between its rounds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from seekloop.app.traffic import read_customers
from seekloop.app.walk import walk
from seekloop.artifact.context import RunContext
from seekloop.loop.project import Project

VALUES: dict[str, Any] = {
    "recipe": "bank-support_smollm2-135m_lora_cpu",
    "base": "tiny",
    "tune": {"method": {"type": "lora", "rank": 4}, "epochs": 1, "max_steps": 6},
    "evaluate": {"limit": 12, "max_tokens": 8, "resamples": 200},
    "compress": {
        "int8": {"method": {"type": "gguf", "precision": "q8_0"}},
        "int4": {"method": {"type": "gguf", "precision": "q4_0"}},
    },
    "serve": {"max_tokens": 8},
    "incremental": {
        "data": {"replay": {"rows": 12}},
        "tune": {"method": {"type": "lora", "rank": 4}, "epochs": 1, "max_steps": 3},
    },
    # The tiny model is random: what is tested here is the way through the gate, not what a model can do.
    "gate": {
        "rules": [
            {"figure": "accuracy", "require": "non_inferior", "margin": 1.0},
            {"figure": "size_mb", "require": "at_most", "value": 1000},
            {"figure": "corrected", "require": "at_least", "value": 0.0, "on": "business"},
        ],
        "min_rows": 1,
    },
    "kpis": [{"name": "corrected", "source": "traffic", "column": "corrected", "aggregate": "share"}],
}


def write_project(folder: Path) -> Project:
    """A project of the recipe's shape on the tiny base: 120 messages, and 30 of traffic."""
    (folder / "data").mkdir(parents=True)
    for name, count in (("messages.jsonl", 120), ("traffic.jsonl", 30)):
        text = resources.files("seekloop.data").joinpath("sample", name).read_text("utf-8")
        (folder / "data" / name).write_text("".join(text.splitlines(keepends=True)[:count]), "utf-8")
    return Project.create(folder, VALUES)


@dataclass(frozen=True)
class Walked:
    """A project whose loop was walked, its open context and its receipt."""

    project: Project
    ctx: RunContext
    receipt: dict[str, Any]


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """The walk, once for all tests; they leave the project as they found it."""
    project = write_project(tmp_path_factory.mktemp("walked") / "project")
    ctx = project.context()
    receipt = json.loads(json.dumps(walk(project, read_customers(project.folder / "data" / "traffic.jsonl"), ctx=ctx)))
    yield Walked(project, ctx, receipt)
    ctx.ledger.close()
