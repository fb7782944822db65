"""`seekloop kpi`: the project's business figures with their n and interval."""

from __future__ import annotations

from pathlib import Path

from seekloop.app.console import print_json, print_table
from seekloop.evaluate.kpis import Counted
from seekloop.loop.business import of_the_ledger
from seekloop.loop.project import Project
from seekloop.system.errors import UsageError

__all__ = ["kpi"]


def kpi(*, folder: Path, release: str | None, after: str | None, as_json: bool) -> None:
    """Count every figure of the project file and print it.

    Raises:
        UsageError: the project defines none.
        DataError: a CSV file is missing or damaged, or a value is not what its figure needs.
    """
    project = Project.open(folder)
    if not project.spec.kpis:
        raise UsageError("loop.no_kpis", folder=folder)
    with project.context() as ctx:
        found = of_the_ledger(project.spec.kpis, ctx=ctx, release=release, after=after, learn=project.spec.learn)
    if as_json:
        print_json([_document(one) for one in found])
        return
    rows = [_row(one) for one in found]
    print_table("business figures", head=("figure", "value", "95 % interval", "n", "gaps"), rows=rows)


def _document(one: Counted) -> dict[str, object]:
    figure = None if one.figure is None else one.figure.model_dump(mode="json")
    return {"name": one.name, "figure": figure, "rows": one.rows, "missing": one.missing}


def _row(one: Counted) -> tuple[object, ...]:
    """The figure in words; gaps are rows without a value."""
    if one.figure is None:
        return one.name, "none yet", "", 0, one.missing
    interval = "-" if one.figure.ci is None else f"[{one.figure.ci[0]:.4g}, {one.figure.ci[1]:.4g}]"
    return one.name, f"{one.figure.value:.4g} {one.figure.unit}", interval, one.figure.n, one.missing
