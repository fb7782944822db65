"""`seekloop assess` and its kin, as people call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seekloop.app.main import app
from seekloop.loop.project import Project
from seekloop.system.errors import GateRefused


@pytest.mark.parametrize("phase", ["assess", "experiment", "production"])
def test_what_is_missing_is_printed_written_and_ends_with_the_gates_code(tmp_path: Path, phase: str):
    Project.create(tmp_path, {"domain": "bank", "base": "tiny:smollm2"})
    words = [phase, "-p", str(tmp_path), "--out", str(tmp_path / "roadmap.md")]
    shown = CliRunner().invoke(app, words)
    assert isinstance(shown.exception, GateRefused)
    assert (tmp_path / "roadmap.md").read_text("utf-8") == shown.stdout
    machine = json.loads(CliRunner().invoke(app, [phase, "-p", str(tmp_path), "--json"]).stdout)
    assert machine["phase"] == phase
    assert not machine["done"]
