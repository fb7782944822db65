"""The folder that a verb works in."""

from __future__ import annotations

from pathlib import Path

from seekloop.app.console import reporter
from seekloop.artifact.context import RunContext
from seekloop.loop.project import FILE, Project

__all__ = ["context_of"]


def context_of(folder: Path) -> RunContext:
    """The context of a project, or of a folder that has no `seekloop.yaml`. Close its ledger."""
    if (folder / FILE).exists():
        return Project.open(folder).context(progress=reporter())
    return RunContext.in_folder(folder, progress=reporter())
