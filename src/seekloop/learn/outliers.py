"""Corrections that everybody else speaks against, by user and one by one: set aside for a review, with the counts.

By user: a user's corrections disagree with what others say of such texts more often than everybody else's do (Fisher's
exact test, one-sided), beyond the error rate that the spec states for a whole window. The most suspicious user is set
aside first and the others are compared again without them, so that colluders do not hide behind each other.

One by one: the label is less likely for the text than for all but a stated share of the rows that are known to be
right. That also finds the poison of many users who give little each.

A user is never a witness for themselves. A label that nobody else gave says nothing either way.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from seekloop.artifact.rows import Row
from seekloop.learn.findings import Finding
from seekloop.learn.reference import Reference, rank_that_holds
from seekloop.learn.speakers import Speaker
from seekloop.learn.trust_spec import TrustSpec
from seekloop.metrics.exact import fisher_greater
from seekloop.text import labelled
from seekloop.text.labelled import AnswerForm

__all__ = ["Known", "is_staff", "screened"]

Known = Callable[[], Iterable[Row]]
"""Gives the rows that the model was trained on, as often as it is called."""
_sample = 1000
_least_rows, _least_others = 50, 20
_usual_tail = 0.1
_widest = 1 / 3
"""A yardstick beyond which a larger share of the labels lies is none."""


@dataclass(frozen=True, kw_only=True)
class _Limits:
    usual: int
    """Rank that a tenth of the known rows lies beyond."""
    plausible: int | None
    """Rank that the share `false_alarm` lies beyond; None: that would be nearly every label."""


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
    reference = Reference((found[at].question for at in tested), labels=every)
    limits = _limits(reference, known, spec=spec)
    for at, label in witnesses.items():
        reference.add(found[at].question, label)
    if reference.rows < _least_rows:
        return list(found)
    ranks = _ranks(found, tested, witnesses=witnesses, reference=reference)
    usual = limits.usual if limits else max(1, len(every) // 20)
    marks: dict[int, Finding] = {}
    for at, why in _outlying(found, {at: rank > usual for at, rank in ranks.items()}, spec=spec):
        marks[at] = replace(found[at], dropped="outlying_user", evidence=why)
    for at, rank in ranks.items():
        if at not in marks and limits and limits.plausible is not None and rank > limits.plausible:
            why = {"rank": rank, "labels": len(every), "plausible": limits.plausible}
            marks[at] = replace(found[at], dropped="implausible", evidence=why)
    return [marks.get(at, one) for at, one in enumerate(found)]


def _testifies(one: Finding, form: AnswerForm) -> str | None:
    """The label that a finding says is right for its question; None: it says none, or is not heard."""
    if one.dropped is not None:
        return None
    if one.judgement.reason == "confirmed":
        return labelled.split(one.heard.answer.content, form)[0]
    return one.judgement.label if one.is_kept else None


def _limits(reference: Reference, known: Known, *, spec: TrustSpec) -> _Limits | None:
    """Ranks of known rows against the other known rows, of a sample that is the same whenever it is drawn."""
    sample: list[tuple[str, str, str]] = []
    for row in known():
        if row.label:
            text = _question(row)
            reference.add(text, row.label)
            sample.append((hashlib.sha256(row.id.encode()).hexdigest(), text, row.label))
            if len(sample) >= 2 * _sample:
                sample = sorted(sample)[:_sample]
    if reference.rows < _least_rows:
        return None
    pairs = [(text, label) for _, text, label in sorted(sample)[:_sample]]
    drawn = [reference.ranks([pair], without=[pair])[0] for pair in pairs]
    ranks = [rank for rank in drawn if rank is not None]
    if len(ranks) < _least_rows:
        return None
    plausible = rank_that_holds(ranks, tail=spec.false_alarm)
    fits = plausible <= max(1, int(len(reference.labels) * _widest))
    return _Limits(usual=rank_that_holds(ranks, tail=_usual_tail), plausible=plausible if fits else None)


def _question(row: Row) -> str:
    said = [turn.content for turn in row.messages if turn.role == "user"]
    return said[-1] if said else ""


def _ranks(
    found: Sequence[Finding], tested: Sequence[int], *, witnesses: Mapping[int, str], reference: Reference
) -> dict[int, int]:
    """Place -> rank of its label by everybody but its own speaker; left out where nobody else says anything."""
    own: dict[Speaker, list[int]] = defaultdict(list)
    for at in witnesses:
        own[found[at].heard.speaker].append(at)
    by: dict[Speaker, list[int]] = defaultdict(list)
    for at in tested:
        by[found[at].heard.speaker].append(at)
    ranks: dict[int, int] = {}
    for speaker, places in by.items():
        asked = [(found[at].question, str(found[at].judgement.label)) for at in places]
        without = [(found[at].question, witnesses[at]) for at in own[speaker]]
        for at, rank in zip(places, reference.ranks(asked, without=without), strict=True):
            if rank is not None:
                ranks[at] = rank
    return ranks


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
