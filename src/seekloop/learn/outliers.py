"""Corrections that everybody else speaks against, by user and one by one: set aside for a review, with the counts.

By user: a user's corrections disagree with what others say of such texts more often than everybody else's do (Fisher's
exact test, one-sided), beyond the error rate that the spec states for a whole window. The most suspicious user is set
aside first and the others are compared again without them, so that colluders do not hide behind each other.

One by one: the label fits the text worse than those of all but a stated share of the rows that are known to be right.
That also finds the poison of many users who give little each, and of campaigns, unless they say of a label that it is
the one that it is most easily taken for: so do honest people.

A user is never a witness for themselves, and against known rows nobody is. A label that nobody else gave says nothing
either way.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from seekloop.learn.findings import Finding
from seekloop.learn.known import Known, question_of
from seekloop.learn.reference import Fit, Reference, limit_that_holds
from seekloop.learn.speakers import Speaker
from seekloop.learn.trust_spec import TrustSpec
from seekloop.metrics.exact import fisher_greater
from seekloop.text import labelled
from seekloop.text.labelled import AnswerForm

__all__ = ["is_staff", "screened"]

_sample = 1000
_least_rows, _least_others = 50, 20
_usual_tail = 0.1
_least_power = 0.5
"""A yardstick beyond which fewer of the wrong labels lie is none."""
_least_gap = 1.0
"""A label whose gap is no more is never implausible, however easy the known rows are."""


@dataclass(frozen=True, kw_only=True)
class _Limits:
    usual: float
    """Gap that a tenth of the known rows lies beyond."""
    plausible: float | None
    """Gap that the share `false_alarm` lies beyond; None: most wrong labels would lie within."""


def is_staff(finding: Finding, spec: TrustSpec) -> bool:
    """Whether it is believed without a test: a decision of a review, or the own word of a caller that is staff."""
    speaker = finding.heard.speaker
    return finding.heard.decision is not None or (not speaker.user and speaker.caller in spec.staff)


def screened(
    found: Sequence[Finding], spec: TrustSpec, *, known: Known, labels: Iterable[str], form: AnswerForm
) -> list[Finding]:
    """Findings, with those marked `outlying_user` or `implausible` that others speak against.

    Args:
        found: judged; those that were left out already are no witnesses.
        spec: error rates.
        known: rows with labels that are right.
        labels: of the dataset.
        form: what answers hold.
    """
    tested = [at for at, one in enumerate(found) if one.is_kept and one.judgement.label and not is_staff(one, spec)]
    if not spec.content or form == "text" or not tested:
        return list(found)
    witnesses = {at: label for at, one in enumerate(found) if (label := _testifies(one, form))}
    every = sorted({*labels, *witnesses.values(), *(row.label for row in known() if row.label)})
    sample = _sampled(known)
    judged = [found[at].question for at in tested] + [text for text, _ in sample]
    reference = Reference(judged, labels=every)
    # Few rows are no yardstick of their own: they are one word among others then.
    are_few = len(sample) < _least_rows
    for row in known():
        if row.label:
            reference.add(question_of(row), row.label, heard=are_few)
    limits = None if are_few else _limits(reference, sample, spec=spec)
    for at, label in witnesses.items():
        reference.add(found[at].question, label, heard=True)
    if reference.rows < _least_rows:
        return list(found)
    fits = _fits(found, tested, witnesses=witnesses, reference=reference)
    usual = max(1, len(every) // 20)
    disagrees = {at: one.gap > limits.usual if limits else one.rank > usual for at, one in fits.items()}
    marks: dict[int, Finding] = {}
    for at, why in _outlying(found, disagrees, spec=spec):
        marks[at] = replace(found[at], dropped="outlying_user", evidence=why)
    for at, fit in fits.items():
        if at not in marks and limits and limits.plausible is not None and fit.gap > limits.plausible:
            why = {"rank": fit.rank, "labels": len(every), "gap": fit.gap, "plausible": limits.plausible}
            marks[at] = replace(found[at], dropped="implausible", evidence=why)
    return [marks.get(at, one) for at, one in enumerate(found)]


def _testifies(one: Finding, form: AnswerForm) -> str | None:
    """The label that a finding says is right for its question; None: it says none, or is not heard."""
    if one.dropped is not None:
        return None
    if one.judgement.reason == "confirmed":
        return labelled.split(one.heard.answer.content, form)[0]
    return one.judgement.label if one.is_kept else None


def _sampled(known: Known) -> list[tuple[str, str]]:
    """Texts and labels of known rows, the same ones whenever they are drawn."""
    drawn = ((hashlib.sha256(row.id.encode()).hexdigest(), question_of(row), row.label) for row in known() if row.label)
    return [(text, label) for _, text, label in heapq.nsmallest(_sample, drawn)]


def _limits(reference: Reference, sample: Sequence[tuple[str, str]], *, spec: TrustSpec) -> _Limits | None:
    """Gaps of known rows against the other known rows, and of a wrong label in the place of each one's own."""
    labels, right, wrong = list(reference.labels), list[float](), list[float]()
    for at, (text, label) in enumerate(sample):
        others = [one for one in (labels[at % len(labels)], labels[(at + 1) % len(labels)]) if one != label][:1]
        own, *other = reference.fits([(text, one) for one in (label, *others)], without=[(text, label)])
        right += [own.gap] if own else []
        wrong += [one.gap for one in other if one]
    if len(right) < _least_rows:
        return None
    plausible = max(_least_gap, limit_that_holds(right, tail=spec.false_alarm))
    is_strong = sum(gap > plausible for gap in wrong) >= _least_power * max(1, len(wrong))
    return _Limits(usual=limit_that_holds(right, tail=_usual_tail), plausible=plausible if is_strong else None)


def _fits(
    found: Sequence[Finding], tested: Sequence[int], *, witnesses: Mapping[int, str], reference: Reference
) -> dict[int, Fit]:
    """Place -> how its label fits by everybody but its own speaker; left out where nobody else says anything."""
    own: dict[Speaker, list[int]] = defaultdict(list)
    for at in witnesses:
        own[found[at].heard.speaker].append(at)
    by: dict[Speaker, list[int]] = defaultdict(list)
    for at in tested:
        by[found[at].heard.speaker].append(at)
    fits: dict[int, Fit] = {}
    for speaker, places in by.items():
        asked = [(found[at].question, str(found[at].judgement.label)) for at in places]
        without = [(found[at].question, witnesses[at]) for at in own[speaker]]
        for at, fit in zip(places, reference.fits(asked, without=without, heard=True), strict=True):
            if fit is not None:
                fits[at] = fit
    return fits


def _outlying(
    found: Sequence[Finding], disagrees: Mapping[int, bool], *, spec: TrustSpec
) -> Iterator[tuple[int, dict[str, float]]]:
    """Places of the findings of users who disagree far beyond chance, each with the counts."""
    by: dict[Speaker, list[int]] = defaultdict(list)
    for at in disagrees:
        by[found[at].heard.speaker].append(at)
    bound = spec.false_alarm / max(1, len(by))
    left = sorted(by)
    while left:
        hits = {speaker: sum(disagrees[at] for at in by[speaker]) for speaker in left}
        n, all_hits = sum(len(by[speaker]) for speaker in left), sum(hits.values())
        worst: tuple[float, Speaker, dict[str, float]] | None = None
        for speaker in left:
            own, of = hits[speaker], len(by[speaker])
            if n - of < _least_others or own < spec.least_disagreement * of:
                continue
            p = fisher_greater(own, of, others_hits=all_hits - own, others=n - of)
            why = {"disagrees": own, "of": of, "others": all_hits - own, "of_others": n - of, "p": p, "bound": bound}
            if p < bound and (worst is None or (p, speaker) < worst[:2]):
                worst = p, speaker, why
        if worst is None:
            return
        left.remove(worst[1])
        yield from ((at, worst[2]) for at in by[worst[1]])
