"""Feedback that finds fault, as rows to train on; what cannot be trained stays in the corpus with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from seekloop.artifact.rows import Message, Row, Source, row_id
from seekloop.learn.judging import Judgement, judge
from seekloop.learn.spec import LearnSpec
from seekloop.learn.traffic import Heard
from seekloop.text import normalize
from seekloop.text.labelled import AnswerForm

__all__ = ["Finding", "findings", "rows"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One judged answer, and what becomes of it."""

    heard: Heard
    judgement: Judgement
    dropped: str | None = None
    """Why a correction is not trained: `caller_cap`, `label_conflict` or `duplicate_exact`."""
    twin: int | None = None
    """For duplicates: the answer line of the correction that is kept."""

    @property
    def counted_as(self) -> str:
        """Its name in the lesson's counts."""
        return self.dropped or self.judgement.reason

    @property
    def is_kept(self) -> bool:
        """Whether it gives a row to train on."""
        return self.counted_as == "corrected"

    @property
    def is_error(self) -> bool:
        """Whether it counts as a wrong answer; what is beyond a caller's cap counts for nothing."""
        return self.judgement.is_error and self.dropped != "caller_cap"

    @property
    def _asked(self) -> str:
        return normalize.key("\n".join(f"{turn.role} {turn.content}" for turn in self.heard.turns))

    @property
    def _taught(self) -> tuple[str, str | None, str]:
        return self._asked, self.judgement.label, normalize.key(self.judgement.text)


def findings(heard: Iterable[Heard], spec: LearnSpec, *, form: AnswerForm, labels: Collection[str]) -> list[Finding]:
    """Judge every answer that was spoken of, then apply the cap, leave out conflicts, merge duplicates.

    A correction is a duplicate of an earlier one that teaches the same answer to the same conversation, case, spacing
    and punctuation aside. Where two give the same conversation different labels, one must be wrong: neither is trained.

    Args:
        heard: in the order of the feedback.
        spec: cap and threshold.
        form: what the dataset's answers hold.
        labels: the labels that the dataset knows.
    """
    judged = [
        Finding(
            heard=one,
            judgement=judge(one.answer.content, one.feedback, form=form, labels=labels, bad_score=spec.bad_score),
        )
        for one in heard
    ]
    return _merged(_agreed(_capped(judged, spec.max_per_caller)))


def rows(found: Sequence[Finding], *, system: Mapping[str, str | None]) -> list[Row]:
    """The corrected conversations as rows of a corpus, as the data stage reads any other: the label beside the
    messages, the right text as the last turn. Earlier assistant turns are context, and not trained.

    Args:
        found: in any order.
        system: release id -> the system message that it puts before conversations; the data stage adds its own, so a
            recorded one is left out.

    Returns:
        Rows in the order of the traffic's lines; those that cannot be trained have `dropped` set.
    """
    wanted = sorted((one for one in found if _teaches(one)), key=lambda one: one.heard.line)
    ids = {one.heard.line: _identity(one) for one in wanted}
    return [_row(one, ids=ids, system=system.get(one.heard.answer.release)) for one in wanted]


def _capped(found: Iterable[Finding], cap: int) -> list[Finding]:
    """Findings with what one caller finds beyond the cap left out."""
    faults: Counter[str] = Counter()
    result: list[Finding] = []
    for one in found:
        if one.judgement.reason not in ("confirmed", "no_opinion"):
            faults[one.heard.feedback.caller] += 1
            if faults[one.heard.feedback.caller] > cap:
                one = replace(one, dropped="caller_cap")
        result.append(one)
    return result


def _agreed(found: Sequence[Finding]) -> list[Finding]:
    """Findings with corrections left out that give one conversation several labels."""
    labels: dict[str, set[str | None]] = {}
    for one in found:
        if one.is_kept:
            labels.setdefault(one._asked, set()).add(one.judgement.label)
    return [
        replace(one, dropped="label_conflict") if one.is_kept and len(labels[one._asked]) > 1 else one for one in found
    ]


def _merged(found: Sequence[Finding]) -> list[Finding]:
    """Findings with later corrections left out that teach what an earlier one teaches."""
    first: dict[tuple[str, str | None, str], int] = {}
    result: list[Finding] = []
    for one in found:
        if one.is_kept and first.setdefault(one._taught, one.heard.line) != one.heard.line:
            one = replace(one, dropped="duplicate_exact", twin=first[one._taught])
        result.append(one)
    return result


def _teaches(one: Finding) -> bool:
    """Whether there is anything to put into a row."""
    return one.judgement.reason in ("corrected", "missing_answer", "missing_label", "contradictory")


def _identity(one: Finding) -> str:
    feedback = one.heard.feedback
    return row_id([one.heard.answer.id, feedback.label, feedback.correction])


def _row(one: Finding, *, ids: dict[int, str], system: str | None) -> Row:
    answer = one.heard.answer
    turns = list(one.heard.turns)
    if turns and turns[0].role == "system" and turns[0].content == system:
        turns = turns[1:]
    turns = [turn.model_copy(update={"train": False}) if turn.role == "assistant" else turn for turn in turns]
    if one.judgement.text:
        turns.append(Message(role="assistant", content=one.judgement.text))
    return Row(
        id=ids[one.heard.line],
        messages=tuple(turns),
        label=one.judgement.label or one.heard.feedback.label,
        source=Source(file="traffic", line=one.heard.line),
        subject=answer.caller,
        origin=answer.id,
        dropped=None if one.is_kept else one.counted_as,
        twin=None if one.twin is None else ids[one.twin],
        meta={} if one.is_kept else {"correction": one.heard.feedback.correction},
    )
