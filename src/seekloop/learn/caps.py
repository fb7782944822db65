"""How much one voice may teach: by end user, by end user and label, and by caller; the earliest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from seekloop.learn.findings import Finding
from seekloop.learn.outliers import is_staff
from seekloop.learn.speakers import Speaker
from seekloop.learn.spec import LearnSpec
from seekloop.text import labelled
from seekloop.text.labelled import AnswerForm

__all__ = ["capped"]


def capped(found: Iterable[Finding], spec: LearnSpec, *, form: AnswerForm) -> list[Finding]:
    """Findings with what goes beyond the caps left out.

    What is beyond a user's cap does not use up the caller's, so one user who floods does not silence the others.

    Args:
        found: in the order of the feedback; what was left out before counts for no cap.
        spec: the caps.
        form: what answers hold.
    """
    by_user: Counter[Speaker] = Counter()
    by_label: Counter[tuple[Speaker, str, str]] = Counter()
    by_caller: Counter[str] = Counter()
    result: list[Finding] = []
    for one in found:
        if one.dropped is not None or not one.finds_fault or one.heard.decision is not None:
            result.append(one)
            continue
        speaker = one.heard.speaker
        if not is_staff(one, spec.trust):
            most = spec.trust.max_per_label
            if not speaker.user:
                most = max(most, spec.max_per_caller // 2)
            moves = [(speaker, *move) for move in _moves(one, form)]
            reason = None
            if not speaker.user and by_caller[speaker.caller] >= spec.max_per_caller:
                reason, cap = "caller_cap", spec.max_per_caller
            elif speaker.user and by_user[speaker] >= spec.trust.max_per_user:
                reason, cap = "user_cap", spec.trust.max_per_user
            elif any(by_label[move] >= most for move in moves):
                reason, cap = "label_cap", most
            if reason is not None:
                result.append(replace(one, dropped=reason, evidence={"cap": cap}))
                continue
            by_label.update(moves)
            by_user[speaker] += 1
        by_caller[speaker.caller] += 1
        if by_caller[speaker.caller] > spec.max_per_caller:
            one = replace(one, dropped="caller_cap", evidence={"cap": spec.max_per_caller})
        result.append(one)
    return result


def _moves(one: Finding, form: AnswerForm) -> list[tuple[str, str]]:
    """The labels that a correction takes a row away from and to."""
    if one.judgement.label is None:
        return []
    before = labelled.split(one.heard.answer.content, form)[0]
    return [("to", one.judgement.label), *([("from", before)] if before and before != one.judgement.label else [])]
