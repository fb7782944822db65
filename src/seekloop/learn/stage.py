"""Read what production teaches: a Lesson with its verdict, and for a retraining a Corpus of corrected rows.

The same traffic, report, spec and seed give the same lesson, byte for byte. Every piece of feedback is in exactly one
of the lesson's counts.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Corpus, Dataset, Lesson, Release
from seekloop.artifact.rows import Row, write_rows
from seekloop.learn.confirmed import chosen
from seekloop.learn.corrections import findings, rows
from seekloop.learn.findings import QUARANTINED, Finding
from seekloop.learn.known import trained_rows
from seekloop.learn.quarantine import FILE, write_set_aside
from seekloop.learn.retries import retried
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
    known = functools.partial(trained_rows, dataset, store=ctx.store)
    found = findings(window, spec, form=dataset.answer, labels=dataset.labels, known=known)
    wrong = {one.heard.answer.id for one in found if one.is_error and _going_back_mends(one, dataset)}
    counts = Counts(
        answers=sum(answer.release in measured for answer in window.answers),
        errors=sum(answer.id in wrong for answer in window.answers if answer.release in measured),
        corrections=sum(one.is_kept for one in found),
        promised=report.figure(spec.figure).value if spec.roll_back else None,
        claims=sum(one.judgement.reason == "corrected" for one in found),
        poisoned=sum(one.dropped in QUARANTINED for one in found),
    )
    verdict, reason = decide(counts, spec)
    corpus, confirmed = None, list[Finding]()
    if verdict == "retrain":
        system = {name: release.system for name, release in releases.items()}
        confirmed = chosen(found, spec, known=known, form=dataset.answer)
        corpus = _corpus(rows(found, confirmed=confirmed, system=system), spec, inputs=inputs, ctx=ctx)
    told = _counts(window, found, known=dataset.labels)
    told |= _not_asked(window, spec) | ({"reinforced": len(confirmed)} if confirmed else {})
    with ctx.job("learn", spec) as job:
        parents = {"traffic": inputs.traffic.id, "report": report.id}
        write_set_aside(job.path(FILE), found)
        return job.commit(
            Lesson(
                parents=parents if corpus is None else {**parents, "corpus": corpus.id},
                made_by=job.origin,
                verdict=verdict,
                reason=reason,
                corpus=None if corpus is None else corpus.id,
                counts=told,
            )
        )


def _going_back_mends(one: Finding, dataset: Dataset) -> bool:
    """A label that the dataset does not know would be wrong in the release before, too."""
    return one.judgement.label in (None, *dataset.labels)


def _not_asked(window: Window, spec: LearnSpec) -> dict[str, int]:
    """What people did, and what nobody had to say: where there is any of it."""
    retries = retried(window.answers, within_s=spec.retry_s, alike=spec.retry_alike)
    signals = Counter(signal for one in window.said for signal in one.signals)
    signals["retry"] = len({*retries, *(one.answer for one in window.said if "retry" in one.signals)})
    return {f"signal_{name}": count for name, count in sorted(signals.items()) if count}


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
    """Answers, feedback and corrections; what became of every piece of feedback; what reviewers decided; what stands
    out."""
    said = [one for one in found if one.heard.decision is None]
    became = Counter(one.counted_as for one in said)
    became.update(superseded=window.superseded, unknown_answer=window.unknown_answer, outcome_only=window.outcome_only)
    kept = [one for one in found if one.is_kept]
    decided = {"decisions": len(window.decisions), "reviewed": sum(one.heard.decision is not None for one in kept)}
    return {
        "answers": len(window.answers),
        "feedback": window.feedback,
        "corrections": sum(one.judgement.reason == "corrected" for one in said),
        "kept": became.pop("corrected", 0),
        **{name: count for name, count in sorted(became.items()) if count},
        **{name: count for name, count in decided.items() if count},
        "wrong": len({one.heard.answer.id for one in found if one.is_error}),
        "new_labels": len({one.judgement.label for one in kept} - {None, *known}),
        "callers": len({one.heard.feedback.caller for one in said}),
    }
