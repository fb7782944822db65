"""Phase two: does a tuned model do what was asked, better than the base, in the form that will be served?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Comparison, Figure, Release, Report
from seekloop.evaluate.efficiency import figures_of
from seekloop.loop.project import ProjectSpec
from seekloop.loop.roadmap.criteria import Criterion, State, Table, interval
from seekloop.loop.roadmap.criteria import Report as Phased
from seekloop.loop.roadmap.spec import RoadmapSpec

__all__ = ["experiment"]


def experiment(project: ProjectSpec, spec: RoadmapSpec, *, ctx: RunContext) -> Phased:
    """Look at every report of the project, newest last."""
    reports = [ctx.store.open(record.id, Report) for record in ctx.ledger.artifacts("report")]
    subjects = {report.id: ctx.store.open(report.subject, Checkpoint) for report in reports}
    tuned = _newest(reports, [one.id for one in reports if subjects[one.id].made_by.stage == "tune"])
    form = _newest(reports, [one.id for one in reports if _is_form(subjects[one.id])])
    return Phased(
        phase="experiment",
        project=project.domain,
        at=ctx.clock.now().isoformat(timespec="seconds"),
        criteria=tuple(_criteria(tuned, form, spec=spec, ctx=ctx)),
        tables=(_figures(reports, subjects, figure=spec.figure, ctx=ctx), _runs(ctx)),
    )


def _newest(reports: Sequence[Report], ids: Sequence[str]) -> Report | None:
    return next((report for report in reversed(reports) if report.id in ids), None)


def _is_form(checkpoint: Checkpoint) -> bool:
    return checkpoint.made_by.stage == "compress"


def _criteria(tuned: Report | None, form: Report | None, *, spec: RoadmapSpec, ctx: RunContext) -> Iterator[Criterion]:
    if tuned is None:
        yield Criterion(code="roadmap.no_experiment", state="open")
        return
    figure = next((one for one in tuned.figures if one.name == spec.figure), None)
    yield _precise(figure, tuned, spec=spec)
    yield _better(_against(tuned, spec.figure), tuned, spec=spec)
    yield _form(form, spec=spec)
    yield _quick(form or tuned, spec=spec, ctx=ctx)
    released = [ctx.store.open(record.id, Release) for record in ctx.ledger.artifacts("release")]
    last = released[-1].id if released else None
    yield Criterion(code="roadmap.released", state="met" if released else "open", facts={}, source=last)


def _precise(figure: Figure | None, report: Report, *, spec: RoadmapSpec) -> Criterion:
    facts = {"figure": spec.figure, "asked": spec.half_width, "n": 0, "half": "-"}
    if figure is None or figure.ci is None:
        return Criterion(code="roadmap.precise", state="unknown", facts=facts, source=report.id)
    half = (figure.ci[1] - figure.ci[0]) / 2
    facts |= {"n": figure.n, "half": f"{half:.3f}"}
    state: State = "met" if half <= spec.half_width else "open"
    return Criterion(code="roadmap.precise", state=state, facts=facts, source=report.id)


def _better(found: Comparison | None, report: Report, *, spec: RoadmapSpec) -> Criterion:
    facts = {"figure": spec.figure, "difference": "-", "ci": "-"}
    if found is None:
        return Criterion(code="roadmap.better", state="unknown", facts=facts, source=report.id)
    facts |= {"difference": f"{found.difference:+.3f}", "ci": interval(found.ci)}
    state: State = "met" if found.ci[0] > 0 else "open"
    return Criterion(code="roadmap.better", state=state, facts=facts, source=report.id)


def _form(form: Report | None, *, spec: RoadmapSpec) -> Criterion:
    facts = {"figure": spec.figure, "asked": spec.form_loss, "difference": "-", "ci": "-"}
    found = None if form is None else _against(form, spec.figure)
    if form is None or found is None:
        return Criterion(code="roadmap.form_holds", state="unknown", facts=facts)
    facts |= {"difference": f"{found.difference:+.3f}", "ci": interval(found.ci)}
    state: State = "met" if found.ci[0] >= -spec.form_loss else "open"
    return Criterion(code="roadmap.form_holds", state=state, facts=facts, source=form.id)


def _quick(report: Report, *, spec: RoadmapSpec, ctx: RunContext) -> Criterion:
    times = {one.name: one for one in figures_of(ctx.store.receipt(report.id))}
    found = times.get("first_token_p95_s")
    facts = {"asked": spec.first_token_s, "p95": "-" if found is None else f"{found.value:.3f}"}
    state: State = "unknown" if found is None else "met" if found.value <= spec.first_token_s else "open"
    return Criterion(code="roadmap.quick", state=state, facts=facts, source=report.id)


def _against(report: Report, figure: str) -> Comparison | None:
    baseline = report.parents.get("baseline")
    return next((one for one in report.comparisons if (one.figure, one.baseline) == (figure, baseline)), None)


def _figures(reports: Sequence[Report], subjects: dict[str, Checkpoint], *, figure: str, ctx: RunContext) -> Table:
    rows = []
    for report in reports:
        subject = subjects[report.id]
        found = next((one for one in report.figures if one.name == figure), None)
        value, ci, n = ("-", "-", 0) if found is None else (f"{found.value:.3f}", interval(found.ci), found.n)
        cost = ctx.store.receipt(report.id).cost
        first = f"{cost['first_token_p95_s']:.3f}" if "first_token_p95_s" in cost else "-"
        rows.append((f"{subject.form} {subject.precision}", value, ci, n, first, report.id[:15]))
    head = ("checkpoint", figure, "95 %", "n", "first token p95, s", "report")
    return Table(title="roadmap.measured", head=head, rows=tuple(rows))


def _runs(ctx: RunContext) -> Table:
    """What the runs took."""
    rows = []
    for record in ctx.ledger.artifacts("checkpoint"):
        receipt = ctx.store.receipt(record.id)
        made = ctx.store.open(record.id, Checkpoint)
        core = receipt.cost.get("cpu_core_s")
        rows.append(
            (made.made_by.stage, record.id[:15], f"{receipt.wall_s:.0f}", "-" if core is None else f"{core:.0f}")
        )
    return Table(title="roadmap.runs", head=("stage", "checkpoint", "seconds", "core seconds"), rows=tuple(rows))
