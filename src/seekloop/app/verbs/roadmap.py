"""`seekloop assess`, `experiment`, `production`: the three reports of the roadmap."""

from __future__ import annotations

from pathlib import Path

from seekloop.app.console import print_json
from seekloop.loop.adviser import Wish
from seekloop.loop.project import Project
from seekloop.loop.roadmap.assess import assess
from seekloop.loop.roadmap.criteria import Phase, Report
from seekloop.loop.roadmap.experiment import experiment
from seekloop.loop.roadmap.markdown import render
from seekloop.loop.roadmap.production import production
from seekloop.loop.roadmap.spec import RoadmapSpec
from seekloop.system.errors import GateRefused
from seekloop.system.files import write_whole
from seekloop.system.spec import override

__all__ = ["report"]


def report(
    *, phase: Phase, changes: list[str], assumed: list[str], out: Path | None, folder: Path, as_json: bool
) -> None:
    """Print the report of a phase; criteria that are not met end the command with 3, for CI.

    Raises:
        GateRefused: a criterion is not met.
    """
    project = Project.open(folder)
    spec = RoadmapSpec.parse(override({}, changes))
    with project.context() as ctx:
        if phase == "assess":
            found = assess(project.spec, spec, wish=Wish.parse(override({}, assumed)), ctx=ctx)
        elif phase == "experiment":
            found = experiment(project.spec, spec, ctx=ctx)
        else:
            found = production(project.spec, spec, ctx=ctx)
    if out is not None:
        write_whole(out, render(found).encode())
    if as_json:
        print_json(found.as_json())
    else:
        print(render(found), end="")
    _refuse(found)


def _refuse(found: Report) -> None:
    missing = [one for one in found.criteria if one.state != "met"]
    if missing:
        named = "; ".join(one.sentence() for one in missing)
        raise GateRefused("roadmap.criteria_open", count=len(missing), of=len(found.criteria), named=named)
