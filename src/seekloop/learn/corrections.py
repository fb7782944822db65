"""Feedback that finds fault, as rows to train on; what cannot be trained stays in the corpus with its reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from seekloop.artifact.rows import Message, Row, Source, row_id
from seekloop.learn.caps import capped
from seekloop.learn.findings import Finding
from seekloop.learn.judging import judge
from seekloop.learn.known import Known
from seekloop.learn.outliers import is_staff, screened
from seekloop.learn.permission import allowed
from seekloop.learn.speakers import Speaker
from seekloop.learn.spec import LearnSpec
from seekloop.learn.traffic import Window
from seekloop.text.labelled import AnswerForm

__all__ = ["findings", "rows"]

_majority = 2
"""So many independent voices, and as many times those of the runner-up, settle what a conversation's label is."""
_never_kept = ("no_consent", "discarded")
_trained = ("corrected", "confirmed")


def findings(
    window: Window, spec: LearnSpec, *, form: AnswerForm, labels: Collection[str], known: Known
) -> list[Finding]:
    """Judge everything that was said, then leave out what nobody allowed, what a review decided otherwise, what others
    speak against, what is beyond a cap, and what others contradict; merge what teaches the same.

    A correction is a duplicate of an earlier one that teaches the same answer to the same conversation, case, spacing
    and punctuation aside. Where people give the same conversation different labels, staff outranks others, then a
    majority of independent speakers; where there is neither, one must be wrong, and none is trained.

    Args:
        window: what was answered and said.
        spec: caps, tests and thresholds.
        form: what the dataset's answers hold.
        labels: the labels that the dataset knows.
        known: gives the rows that the model was trained on.
    """
    judged = [
        Finding(
            heard=one,
            judgement=judge(one.answer.content, one.feedback, form=form, labels=labels, bad_score=spec.bad_score),
        )
        for one in window.heard
    ]
    permitted = allowed(_reviewed(judged, window), spec, consents=window.consents)
    tested = screened(permitted, spec.trust, known=known, labels=labels, form=form)
    agreed = _agreed(capped(tested, spec, form=form), spec)
    return _merged(agreed)


def rows(found: Iterable[Finding], *, confirmed: Iterable[Finding] = (), system: Mapping[str, str | None]) -> list[Row]:
    """The corrected conversations as rows of a corpus, as the data stage reads any other: the label beside the
    messages, the right text as the last turn. Earlier assistant turns are context, and not trained.

    Args:
        found: in any order.
        confirmed: answers to be learnt as they are, judged with their own label and text.
        system: release id -> the system message that it puts before conversations; the data stage adds its own, so a
            recorded one is left out.

    Returns:
        Rows in the order of the traffic's lines; those that cannot be trained have `dropped` set. What nobody allowed
        to learn from is not among them at all.
    """
    wanted = [one for one in found if one.teaches and one.dropped not in _never_kept]
    wanted = sorted([*wanted, *confirmed], key=_place)
    ids: dict[str, str] = {}
    for one in wanted:
        said = [one.heard.answer.id, one.heard.feedback.label, one.heard.feedback.correction]
        identity = row_id(said)
        # Two who say the same of one answer are two rows, of which the later one is a duplicate.
        ids[one.heard.feedback.id] = row_id([*said, one.heard.feedback.id]) if identity in ids.values() else identity
    return [_row(one, ids=ids, system=system.get(one.heard.answer.release)) for one in wanted]


def _place(one: Finding) -> tuple[int, str, str]:
    return one.heard.line, one.heard.feedback.at, one.heard.feedback.id


def _reviewed(judged: Iterable[Finding], window: Window) -> list[Finding]:
    """Decisions first, so that they are what others are duplicates of; then what was said of other answers as well."""
    decided, said = [], []
    for one in judged:
        if one.heard.decision is None:
            overruled = one.heard.answer.id in window.decisions
            said.append(replace(one, dropped="overruled") if overruled else one)
        else:
            discarded = one.heard.decision.decision == "discard"
            decided.append(replace(one, dropped="discarded") if discarded else one)
    return [*decided, *said]


def _agreed(found: Sequence[Finding], spec: LearnSpec) -> list[Finding]:
    """Findings with corrections left out that give one conversation several labels, or that others confirm away."""
    votes: dict[str, dict[str | None, set[Speaker]]] = defaultdict(lambda: defaultdict(set))
    right: dict[str, set[Speaker]] = defaultdict(set)
    staff: dict[str, set[str | None]] = defaultdict(set)
    for one in found:
        if one.is_kept:
            votes[one.asked][one.judgement.label].add(one.heard.speaker)
            if is_staff(one, spec.trust):
                staff[one.asked].add(one.judgement.label)
        elif one.counted_as == "confirmed":
            right[one.asked].add(one.heard.speaker)
    return [
        _settled(one, votes[one.asked], right=right.get(one.asked, set()), staff=staff.get(one.asked, set()))
        if one.is_kept
        else one
        for one in found
    ]


def _settled(
    one: Finding, votes: Mapping[str | None, set[Speaker]], *, right: set[Speaker], staff: set[str | None]
) -> Finding:
    label = one.judgement.label
    counts = {str(other): len(voices) for other, voices in votes.items()}
    if len(staff) == 1:
        agreed = replace(one, agreed=len(votes[label]))
        return (
            agreed if label in staff else replace(one, dropped="outvoted", evidence={"staff": sorted(map(str, staff))})
        )
    if len(votes) > 1:
        first, second = sorted(counts.values(), reverse=True)[:2]
        settled = first >= _majority and first >= _majority * second
        if not settled or len(staff) > 1:
            return replace(one, dropped="label_conflict", evidence={"voices": counts})
        if counts[str(label)] < first:
            return replace(one, dropped="outvoted", evidence={"voices": counts})
    if label is not None and len(right - votes[label]) >= max(_majority, _majority * len(votes[label])):
        return replace(one, dropped="outvoted", evidence={"voices": counts, "confirmed": len(right)})
    return replace(one, agreed=len(votes[label]))


def _merged(found: Sequence[Finding]) -> list[Finding]:
    """Findings with later corrections left out that teach what an earlier one teaches."""
    first: dict[tuple[str, str | None, str], str] = {}
    result: list[Finding] = []
    for one in found:
        own = one.heard.feedback.id
        if one.is_kept and first.setdefault(one.taught, own) != own:
            one = replace(one, dropped="duplicate_exact", twin=first[one.taught])
        result.append(one)
    return result


def _row(one: Finding, *, ids: Mapping[str, str], system: str | None) -> Row:
    answer = one.heard.answer
    turns = list(one.heard.turns)
    if turns and turns[0].role == "system" and turns[0].content == system:
        turns = turns[1:]
    turns = [turn.model_copy(update={"train": False}) if turn.role == "assistant" else turn for turn in turns]
    if one.judgement.text:
        turns.append(Message(role="assistant", content=one.judgement.text))
    return Row(
        id=ids[one.heard.feedback.id],
        messages=tuple(turns),
        label=one.judgement.label or one.heard.feedback.label,
        source=Source(file="traffic", line=one.heard.line),
        subject=answer.caller,
        origin=answer.id,
        dropped=None if one.counted_as in _trained else one.counted_as,
        twin=None if one.twin is None else ids[one.twin],
        meta=_meta(one),
    )


def _meta(one: Finding) -> dict[str, Any]:
    """Who said it, and why it may be learnt from; of what is not trained, what was said as well."""
    told: dict[str, Any] = {"feedback": one.heard.feedback.id, "consent": one.consent}
    if one.agreed > 1:
        told["agreed"] = one.agreed
    return told if one.counted_as in _trained else {**told, "correction": one.heard.feedback.correction}
