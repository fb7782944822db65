"""Verb that writes what a release needs to run somewhere else."""

from __future__ import annotations

import getpass
import shutil
import sys
from pathlib import Path

from seekloop.loop import registry
from seekloop.loop.project import Project
from seekloop.serve.deploy.writing import Deployment, write

__all__ = ["deploy"]


def deploy(*, target: str, out: Path, folder: Path) -> None:
    """Write the files of `target` for the promoted release."""
    project = Project.open(folder)
    ctx = project.context()
    found = registry.released(project.spec.alias, ctx=ctx)
    told = Deployment(
        release=found.release,
        checkpoint=found.checkpoint,
        project=folder,
        command=Path(shutil.which("seekloop") or Path(sys.executable).with_name("seekloop")),
        user=getpass.getuser(),
        name=project.spec.alias,
        context=project.spec.gateway.context,
    )
    for path in write(target, out, told=told, store=ctx.store):
        print(path)
    ctx.ledger.close()
