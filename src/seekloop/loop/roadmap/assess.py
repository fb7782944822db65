"""Phase one: is there enough good data, a goal in figures, and a machine for it; and what would be the way?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import read_rows
from seekloop.evaluate.kpis import Counted
from seekloop.loop.adviser import Known, Wish, known, machine_of, question
from seekloop.loop.business import of_the_ledger
from seekloop.loop.project import ProjectSpec
from seekloop.loop.roadmap.criteria import Criterion, Report, State, Table, kpi_table, share
from seekloop.loop.roadmap.spec import RoadmapSpec
from seekloop.tune.advise import Advice, advise

__all__ = ["assess"]

_train = "train.jsonl"


def assess(project: ProjectSpec, spec: RoadmapSpec, *, wish: Wish, ctx: RunContext) -> Report:
    """Look at the project's newest dataset, its business figures and the machine that is wished for.

    Raises:
        ModelError: the base's sizes are not known.
        UsageError: no such device, or the deadline is no length of time.
    """
    facts = known(project.base, ctx=ctx)
    advice = None
    if facts.config is not None:
        advice = advise(question(wish, facts, source=project.base, machine=machine_of(wish)))
    kpis = of_the_ledger(project.kpis, ctx=ctx) if project.kpis else []
    classes = _classes(facts.dataset, ctx)
    return Report(
        phase="assess",
        project=project.domain,
        at=ctx.clock.now().isoformat(timespec="seconds"),
        criteria=(*_of_data(facts.dataset, classes, spec=spec, ctx=ctx), _goal(kpis), _machine(advice, wish=wish)),
        tables=tuple(_tables(facts, classes, spec=spec, advice=advice, kpis=kpis)),
        strategy=_strategy(advice),
    )


def _classes(dataset: Dataset | None, ctx: RunContext) -> Counter[str]:
    """Train rows of each class, also of those that have none."""
    counted: Counter[str] = Counter()
    if dataset is not None and dataset.labels:
        counted.update(dict.fromkeys(dataset.labels, 0))
        counted.update(row.label for row in read_rows(ctx.store.path(dataset.id, _train)) if row.label is not None)
    return counted


def _of_data(dataset: Dataset | None, classes: Counter[str], *, spec: RoadmapSpec, ctx: RunContext) -> list[Criterion]:
    if dataset is None:
        return [Criterion(code="roadmap.no_data", state="open")]
    train, dropped = dataset.splits.get("train", 0), sum(dataset.dropped.values())
    found = [
        Criterion(
            code="roadmap.enough_rows",
            state="met" if train >= spec.train_rows else "open",
            facts={"train": train, "asked": spec.train_rows},
            source=dataset.id,
        ),
        Criterion(
            code="roadmap.few_dropped",
            state="met" if dropped <= spec.dropped * dataset.rows else "open",
            facts={"share": share(dropped, dataset.rows), "asked": f"{spec.dropped:.0%}"},
            source=dataset.id,
        ),
        _leaks(dataset, ctx),
    ]
    if classes:
        thin = sorted(name for name, rows in classes.items() if rows < spec.class_rows)
        facts = {"thin": len(thin), "classes": len(classes), "asked": spec.class_rows, "named": _named(thin)}
        state: State = "open" if thin else "met"
        found.append(Criterion(code="roadmap.every_class", state=state, facts=facts, source=dataset.id))
    return found


def _leaks(dataset: Dataset, ctx: RunContext) -> Criterion:
    """Rows that would be tested and trained are dropped as they are found, so what is asked is that somebody looked."""
    whole = "report.json" in dataset.files
    looked = whole and "pairs" in json.loads(ctx.store.path(dataset.id, "report.json").read_text("utf-8"))
    removed = sum(count for reason, count in dataset.dropped.items() if reason.startswith("leak_"))
    state: State = "met" if looked else "unknown"
    return Criterion(code="roadmap.no_leak", state=state, facts={"removed": removed}, source=dataset.id)


def _goal(kpis: Sequence[Counted]) -> Criterion:
    names = ", ".join(one.name for one in kpis)
    return Criterion(code="roadmap.goal", state="met" if kpis else "open", facts={"names": names or "-"})


def _machine(advice: Advice | None, *, wish: Wish) -> Criterion:
    if advice is None or advice.chosen is None:
        state: State = "unknown" if advice is None else "open"
        return Criterion(code="roadmap.fits", state=state, facts={"method": "-", "minutes": "-", "on": wish.hardware})
    chosen = advice.chosen
    facts = {"method": chosen.method, "minutes": f"{chosen.seconds / 60:,.0f}", "on": wish.hardware}
    return Criterion(code="roadmap.fits", state="met", facts=facts)


def _tables(
    facts: Known, classes: Counter[str], *, spec: RoadmapSpec, advice: Advice | None, kpis: Sequence[Counted]
) -> list[Table]:
    found = []
    if facts.dataset is not None:
        found += [_rows(facts.dataset), _labelling(classes, spec)]
    if advice is not None and advice.chosen is not None:
        numbers = tuple((one.name, f"{one.value:,g} {one.unit}".strip(), one.formula) for one in advice.chosen.numbers)
        found.append(Table(title="roadmap.advice", head=("number", "value", "formula"), rows=numbers))
    if kpis:
        found.append(kpi_table(kpis))
    return found


def _rows(dataset: Dataset) -> Table:
    kept = [(split, count, share(count, dataset.rows)) for split, count in dataset.splits.items()]
    lost = [(f"dropped: {why}", count, share(count, dataset.rows)) for why, count in sorted(dataset.dropped.items())]
    masked = [(f"masked: {kind}", count, "") for kind, count in sorted(dataset.pii.items())]
    rows = (("in", dataset.rows, ""), *kept, *lost, *masked)
    return Table(title="roadmap.rows", head=("rows", "count", "share"), rows=rows)


def _labelling(classes: Counter[str], spec: RoadmapSpec) -> Table:
    """What it would cost to bring every class to `class_rows`."""
    missing = sum(max(0, spec.class_rows - rows) for rows in classes.values())
    looks = missing * spec.raters
    hours = looks * spec.label_seconds / 3600
    rows = (
        ("rows", missing, f"sum over classes of max(0, {spec.class_rows} - rows)"),
        ("hours", round(hours, 2), f"{missing} rows * {spec.raters} raters * {spec.label_seconds:g} s / 3600"),
        ("cost", round(hours * spec.label_hour, 2), f"{hours:.2f} h * {spec.label_hour:g}"),
    )
    return Table(title="roadmap.labelling", head=("to label", "amount", "formula"), rows=rows)


def _strategy(advice: Advice | None) -> str:
    if advice is None or advice.chosen is None:
        return ""
    chosen = advice.chosen
    dials = ", ".join(f"{one.name} {one.value:g}" for one in chosen.numbers if one.name in ("rank", "epochs", "lr"))
    return f"{chosen.method}" + (f" ({dials})" if dials else "")


def _named(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:3])
    return (shown + (" …" if len(labels) > 3 else "")) or "-"
