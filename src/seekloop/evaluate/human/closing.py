"""A study becomes a report: the same checkpoint on the same rows, measured by people and, where there is one, a judge.

Its parents are the reports that were judged. It holds the judged answers again, so whatever opens a report opens this
one, too; `ratings.jsonl` what was said, `human.json` everything that is no figure.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Report
from seekloop.evaluate import scoring
from seekloop.evaluate.human.figures import Seeded, people
from seekloop.evaluate.human.judged import judged
from seekloop.evaluate.human.study import ASKED, Study
from seekloop.evaluate.human.tasks import answers_of
from seekloop.evaluate.human.verdicts import VERDICTS, read_verdicts, write_verdicts
from seekloop.system import seeds
from seekloop.system.errors import DataError

__all__ = ["FINDINGS", "close"]

FINDINGS = "human.json"
"""File of the report: raters and their gaps, positions, kappas, calibration."""


def close(study: Study, *, ctx: RunContext) -> Report:
    """Commit what was said so far as a report; the same ratings give the same one again.

    Raises:
        DataError: nothing was said yet.
        ArtifactError: a judged report is missing or damaged, or the disk is full.
    """
    spec, ratings, verdicts = study.spec, study.book.all(), read_verdicts(study.folder / VERDICTS)
    drawn = Seeded(seed=seeds.derive(spec.seed, "evaluate", "human"))
    said = people(spec, study.tasks, ratings=ratings, drawn=drawn)
    model = judged(spec, verdicts, ratings=ratings, drawn=drawn)
    if not said.figures and not model.figures:
        raise DataError("human.nothing_said", name=spec.name)
    subject = ctx.store.open(spec.reports[0], Report)
    rows = {task.row for task in study.tasks} | {one.row for one in verdicts}
    answers = [one for one in answers_of(subject, store=ctx.store).values() if one.row in rows]
    by = [name for name, found in (("human", said.figures), ("judge", model.figures)) if found]
    with ctx.job("evaluate", spec) as job:
        scoring.write_answers(job.path("answers.jsonl"), answers)
        lines = (json.dumps(asdict(one), ensure_ascii=False, sort_keys=True) + "\n" for one in ratings)
        job.path("ratings.jsonl").write_text("".join(lines), "utf-8")
        write_verdicts(job.path(VERDICTS), verdicts)
        findings: dict[str, Any] = {"study": spec.name, "people": said.more, "judge": {**_asked(study), **model.more}}
        job.path(FINDINGS).write_text(json.dumps(findings, ensure_ascii=False, indent=1) + "\n", "utf-8")
        report = Report(
            parents=_parents(subject, spec.reports),
            made_by=job.origin,
            subject=subject.subject,
            dataset=subject.dataset,
            split=subject.split,
            engine="+".join(by),
            figures=(*said.figures, *model.figures),
            comparisons=(*said.comparisons, *model.comparisons),
        )
        return job.commit(report)


def _asked(study: Study) -> dict[str, Any]:
    """Which judge was asked, and what that took."""
    path = study.folder / ASKED
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def _parents(subject: Report, reports: tuple[str, ...]) -> dict[str, str]:
    """As other reports have, and the ones that were judged."""
    found = {"checkpoint": subject.subject, "dataset": subject.dataset, "report": reports[0]}
    return found if len(reports) == 1 else {**found, "baseline": reports[1]}
