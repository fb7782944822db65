"""`seekloop compare`: a report against others on the same rows, with verdicts, times and costs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.artifact.kinds import Figure, Receipt, Report
from seekloop.evaluate.baselines import Compared, judge_reports
from seekloop.evaluate.efficiency import figures_of
from seekloop.evaluate.verdict import Judged
from seekloop.system import digests

__all__ = ["compare"]

Costs = Mapping[str, Mapping[str, Figure]]


def compare(*, folder: Path, report: str, others: list[str], as_json: bool) -> None:
    """Print a verdict for each other report, the paired differences, and what the answers of each took.

    Raises:
        DataError: a report shares no row with the first.
        ArtifactError: a report, or the rows that it was asked, is not in the store.
    """
    with context_of(folder) as ctx:
        subject = ctx.store.open(report, Report)
        baselines = [ctx.store.open(one, Report) for one in dict.fromkeys(others)]
        found = [judge_reports(subject, one, store=ctx.store, seed=ctx.seed) for one in baselines]
        costs = {one.id: _costs(ctx.store.receipt(one.id)) for one in (subject, *baselines)}
    if as_json:
        print_json(_document(found, costs))
        return
    for one in found:
        print(one.verdict.sentence())
        _print(one, subject=subject)
    _print_costs(costs)


def _costs(receipt: Receipt) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures_of(receipt)}


def _document(found: list[Compared], costs: Costs) -> dict[str, Any]:
    return {
        "comparisons": [comparison.model_dump(mode="json") for one in found for comparison in one.comparisons],
        "verdicts": [{**one.verdict.model_dump(mode="json"), "sentence": one.verdict.sentence()} for one in found],
        "cost": {
            name: {key: figure.model_dump(mode="json") for key, figure in figures.items()}
            for name, figures in costs.items()
        },
    }


def _print(one: Compared, *, subject: Report) -> None:
    judged = {outcome.figure: outcome for outcome in one.verdict.outcomes}
    rows = [
        (
            c.figure,
            f"{c.difference:+.3f}",
            f"[{c.ci[0]:+.3f}, {c.ci[1]:+.3f}]",
            _p(c.p_value),
            c.n,
            _state(judged.get(c.figure)),
        )
        for c in one.measured
    ]
    title = f"{digests.short(subject.id)} minus {digests.short(one.verdict.baseline)}, same rows"
    print_table(title, head=("figure", "difference", "95 % interval", "p", "n", "verdict"), rows=rows)
    if one.verdict.slices:
        told = [
            (s.name, f"{s.difference:+.3f}", f"[{s.ci[0]:+.3f}, {s.ci[1]:+.3f}]", f"{s.q_value:.3g}", s.n)
            for s in one.verdict.slices
        ]
        title = f"slices that differ, of {one.verdict.slices_seen}"
        print_table(title, head=("slice", "difference", "95 % interval", "q", "n"), rows=told)


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _state(judged: Judged | None) -> str:
    """What a declared figure came to; nothing for one that nobody declared."""
    return "" if judged is None else f"{judged.role}: {judged.state.replace('_', ' ')}"


def _print_costs(costs: Costs) -> None:
    names = list(dict.fromkeys(name for figures in costs.values() for name in figures))
    if not names:
        return
    rows = [[name, *(_cell(figures.get(name)) for figures in costs.values())] for name in names]
    head = ["figure", *(digests.short(one) for one in costs)]
    print_table("times and costs, each as it was measured on its machine", head=head, rows=rows)


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    low, high = figure.ci or (figure.value, figure.value)
    interval = f" [{low:g}, {high:g}]" if low < high else ""
    return f"{figure.value:g} {figure.unit}{interval}".replace(" share", "")
