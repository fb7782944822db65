"""One first round for all tests of this room; each test has a copy of its project."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from seekloop.loop.project import FILE, Project
from tests.loop.watch.making import make_project, values


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project with a first release in production."""
    return make_project(tmp_path_factory.mktemp("template") / "project").folder


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Callable[..., Project]:
    """Makes a project of the test's own, with keys of its file changed."""

    def make(**changes: Any) -> Project:
        folder = tmp_path / "project"
        shutil.copytree(template, folder)
        told = values(**changes.pop("watch", {})) | changes
        (folder / FILE).write_text(yaml.safe_dump(told), "utf-8")
        return Project.open(folder)

    return make
