"""`seekloop costs`: what runs, releases and answers took."""

from __future__ import annotations

from pathlib import Path

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.loop.costs.report import Costs, costs
from seekloop.loop.costs.spec import CostSpec
from seekloop.system import digests
from seekloop.system.spec import override

__all__ = ["show"]

_head = ("core s", "money", "Wh", "g CO2")


def show(*, changes: list[str], folder: Path, as_json: bool) -> None:
    """Print the costs, with the assumptions they rest on."""
    with context_of(folder) as ctx:
        found = costs(CostSpec.parse(override({}, changes)), ctx=ctx)
    if as_json:
        print_json(found.as_json())
        return
    runs = [
        (one.stage, digests.short(one.id), f"{one.wall_s:,.1f}" + ("" if one.counted else " *"), *_cells(one.costs))
        for one in found.runs
    ]
    print_table("runs", head=("stage", "made", "wall s", *_head), rows=runs)
    if not all(one.counted for one in found.runs):
        print("* no processor time was recorded: wall time on one core")
    releases = [(digests.short(one.id), *_cells(one.own), f"{one.whole.core_s:,.1f}") for one in found.releases]
    print_table(
        "releases: of what no earlier one was made of", head=("release", *_head, "core s in all"), rows=releases
    )
    answers = [
        (
            digests.short(one.release),
            one.answers,
            one.tokens,
            *(["not measured"] if one.each is None else _cells(one.each)),
        )
        for one in found.answers
    ]
    print_table("answers: of one, on average", head=("release", "answers", "tokens", *_head), rows=answers)
    spec = found.spec
    print(
        f"assumed: {spec.watts_core:g} W a core, {spec.core_hour:g} a core hour, {spec.kwh:g} a kWh, "
        f"{spec.grams_per_kwh:g} g CO2 a kWh, {spec.cores} cores answering; --set changes them"
    )


def _cells(one: Costs) -> tuple[str, ...]:
    return f"{one.core_s:,.2f}", f"{one.money:,.4f}", f"{one.wh:,.3f}", f"{one.grams:,.2f}"
