"""Read what production teaches: a Lesson with its verdict, and for a retraining a Corpus of corrected rows.

The same traffic, report, spec and seed give the same lesson, byte for byte. Every piece of feedback is in exactly one
of the lesson's counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Corpus, Dataset, Lesson, Release
from seekloop.artifact.rows import Row, write_rows
from seekloop.learn.corrections import Finding, findings, rows
from seekloop.learn.spec import LearnInputs, LearnSpec
from seekloop.learn.traffic import Window, read_window
from seekloop.learn.verdict import Counts, decide
from seekloop.system import digests
from seekloop.system.errors import DataError

__all__ = ["run"]


def run(spec: LearnSpec, inputs: LearnInputs, *, ctx: RunContext) -> Lesson:
    """Judge a window of production against the report of the checkpoint that answered in it.

    Raises:
        DataError: the traffic is damaged, or another checkpoint answered in it.
        ArtifactError: a release, the report's dataset or its promised figure is missing, or the disk is full.
    """
    report = inputs.report
    dataset = ctx.store.open(report.dataset, Dataset)
    releases = {identity: ctx.store.open(identity, Release) for identity in inputs.traffic.releases}
    measured = {identity for identity, release in releases.items() if release.checkpoint == report.subject}
    if releases and not measured:
        raise DataError("learn.other_report", report=digests.short(report.id), subject=digests.short(report.subject))
    window = read_window(inputs.traffic, store=ctx.store)
    found = findings(window.heard, spec, form=dataset.answer, labels=dataset.labels)
    going_back_mends = [one for one in found if one.is_error and one.judgement.label in (None, *dataset.labels)]
    counts = Counts(
        answers=sum(answer.release in measured for answer in window.answers),
        errors=sum(one.heard.answer.release in measured for one in going_back_mends),
        corrections=sum(one.is_kept for one in found),
        promised=report.figure(spec.figure).value if spec.roll_back else None,
    )
    verdict, reason = decide(counts, spec)
    corpus = None
    if verdict == "retrain":
        system = {name: release.system for name, release in releases.items()}
        corpus = _corpus(rows(found, system=system), spec, inputs=inputs, ctx=ctx)
    with ctx.job("learn", spec) as job:
        parents = {"traffic": inputs.traffic.id, "report": report.id}
        return job.commit(
            Lesson(
                parents=parents if corpus is None else {**parents, "corpus": corpus.id},
                made_by=job.origin,
                verdict=verdict,
                reason=reason,
                corpus=None if corpus is None else corpus.id,
                counts=_counts(window, found, known=dataset.labels),
            )
        )


def _corpus(taught: Sequence[Row], spec: LearnSpec, *, inputs: LearnInputs, ctx: RunContext) -> Corpus:
    with ctx.job("learn", spec) as job:
        count = write_rows(job.path("rows.jsonl"), taught)
        return job.commit(
            Corpus(
                parents={"traffic": inputs.traffic.id, "report": inputs.report.id},
                made_by=job.origin,
                rows=count,
                sources=("traffic",),
                formats=("traffic",),
            )
        )


def _counts(window: Window, found: Sequence[Finding], *, known: Sequence[str]) -> dict[str, int]:
    """Answers, feedback and corrections; what became of every piece of feedback; what stands out."""
    became = Counter(one.counted_as for one in found)
    became.update(superseded=window.superseded, unknown_answer=window.unknown_answer)
    kept = [one for one in found if one.is_kept]
    return {
        "answers": len(window.answers),
        "feedback": window.feedback,
        "corrections": sum(one.judgement.reason == "corrected" for one in found),
        "kept": became.pop("corrected", 0),
        **{name: count for name, count in sorted(became.items()) if count},
        "wrong": sum(one.is_error for one in found),
        "new_labels": len({one.judgement.label for one in kept} - {None, *known}),
        "callers": len({one.heard.feedback.caller for one in found}),
    }
