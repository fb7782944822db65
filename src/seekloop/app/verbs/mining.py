"""Mines a window of the project's production, and prints, writes or queues what it shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from seekloop.app.console import print_json, print_table, reporter
from seekloop.artifact.context import RunContext
from seekloop.learn.mining import page
from seekloop.learn.mining.mined import Mined, mine
from seekloop.learn.mining.windows import known_rows, window
from seekloop.learn.review.board import read_board
from seekloop.learn.review.filling import fill
from seekloop.loop import registry
from seekloop.loop.project import Project, ProjectSpec
from seekloop.system import seeds
from seekloop.system.errors import UsageError
from seekloop.system.files import write_whole

__all__ = ["run"]


def run(
    *,
    after: str | None,
    before: str | None,
    changes: list[str],
    queue: bool,
    out: Path | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Mine a window.

    Raises:
        UsageError: nothing is in production, or the file to write is of another kind.
        LedgerError: a moment is none.
    """
    if out is not None and out.suffix not in (".json", ".html"):
        raise UsageError("mining.out", out=out)
    opened = Project.open(folder, changes=changes)
    with opened.context(progress=reporter()) as ctx:
        found = _mined(opened.spec, after=after, before=before, ctx=ctx)
        if out is not None:
            text = page.render(found) if out.suffix == ".html" else json.dumps(found.as_json(), ensure_ascii=False)
            write_whole(out, f"{text}\n".encode())
            ctx.progress.say(f"written: {out}")
        if queue:
            added = fill(found.queue, ctx.ledger, actor=ctx.actor, opinions=opened.spec.learn.mining.opinions)
            ctx.progress.say(f"review queue: {len(added)} answers added")
    if as_json:
        print_json(found.as_json())
    else:
        _print(found)


def _mined(spec: ProjectSpec, *, after: str | None, before: str | None, ctx: RunContext) -> Mined:
    released = registry.released(spec.alias, ctx=ctx)
    start = after or registry.promoted(spec.alias, ctx=ctx).at
    given = {"ledger": ctx.ledger, "dataset": released.frozen, "bad_score": spec.learn.bad_score}
    earlier = [] if before is None else window(**given, after=before, until=start)  # type: ignore[arg-type]
    queued = {answer for answer, case in read_board(ctx.ledger).cases.items() if case.queued}
    return mine(
        window(**given, after=start),  # type: ignore[arg-type]
        known_rows(released.trained_on, store=ctx.store),
        before=earlier,
        skip=queued,
        spec=spec.learn.mining,
        seed=seeds.derive(ctx.seed, "learn", "mining"),
    )


def _print(found: Mined) -> None:
    errors = found.errors
    share = "" if errors.ci is None else f", {errors.share:.1%} of {errors.judged} judged ({_span(errors.ci)})"
    print(f"{errors.answers} answers, {errors.n} wrong{share}")
    kpi = found.kpi
    if kpi is not None and kpi.ci is not None:
        low, high = kpi.ci
        print(f"right answers fell by {kpi.points:.1f} points ({low:.1f} to {high:.1f}, p {kpi.p_value:.2g})")
    rows = [
        (
            one.feature,
            "drifted" if one.drifted else "-",
            f"{one.adjusted:.2g}",
            "" if one.psi is None else f"{one.psi:.3f}",
            "" if one.by_chance is None else f"{one.by_chance:.3f}",
            f"{one.n}/{one.m}",
        )
        for one in found.drift.features
    ]
    print_table("drift", head=("feature", "verdict", "p (Holm)", "PSI", "PSI by chance", "n"), rows=rows)
    intents = [
        (one.name, len(one.members), f"{one.ratio:.0f}x", f"{one.adjusted:.2g}", one.examples[0])
        for one in found.intents
    ]
    print_table("new intents", head=("name", "messages", "more often", "p (Holm)", "example"), rows=intents)
    picks = [(one.answer, f"{one.score:.2f}", ", ".join(one.reasons)) for one in found.queue[:10]]
    print_table(f"to review: {len(found.queue)}, first ten", head=("answer", "score", "why"), rows=picks)
    if not found.errors.answers:
        print("nothing was answered in this window", file=sys.stderr)


def _span(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.1%} to {ends[1]:.1%}"
