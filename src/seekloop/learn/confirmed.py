"""Answers that staff confirmed, learnt from beside the corrections.

A lesson of corrections alone holds only what went wrong: a new wording or a new intent that came out right by a narrow
margin is in no row, and the next training may lose it. Chosen are those that teach most: of the label with the fewest
rows so far, the text with the largest share of words and pairs of words that no known row has.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from seekloop.learn.findings import Finding
from seekloop.learn.known import Known, question_of
from seekloop.learn.outliers import is_staff
from seekloop.learn.reference import features
from seekloop.learn.spec import LearnSpec
from seekloop.text import labelled
from seekloop.text.labelled import AnswerForm

__all__ = ["chosen"]

_whole = "stop"
"""Finish reason of an answer that was not cut off."""


def chosen(found: Sequence[Finding], spec: LearnSpec, *, known: Known, form: AnswerForm) -> list[Finding]:
    """At most `spec.max_confirmed` findings that confirm, each with the label and text of its answer as its judgement.

    Left out are answers that were cut off or lack what the form needs, what may not be learnt from, conversations that
    somebody corrected, and all but the first of equal ones.

    Args:
        found: everything that was said, screened.
        spec: the cap, and who is staff.
        known: gives the rows that the model was trained on.
        form: what the dataset's answers hold.
    """
    if not spec.max_confirmed:
        return []
    taken = {one.asked for one in found if one.finds_fault}
    able: list[Finding] = []
    for one in found:
        if one.counted_as != "confirmed" or not one.consent or not is_staff(one, spec.trust) or one.asked in taken:
            continue
        label, text = labelled.split(one.heard.answer.content, form)
        lacks = (form != "text" and label is None) or (form != "label" and not text)
        if lacks or one.heard.answer.finish_reason != _whole:
            continue
        taken.add(one.asked)
        able.append(replace(one, judgement=replace(one.judgement, label=label, text=text)))
    return _rarest_first(able, [one for one in found if one.is_kept], most=spec.max_confirmed, known=known)


def _rarest_first(able: Sequence[Finding], kept: Sequence[Finding], *, most: int, known: Known) -> list[Finding]:
    """Findings by the rows that their label has, counting those that were taken, then by what is new in them."""
    words = [features(one.question) for one in able]
    new: set[str] = set().union(*words)
    rows: Counter[str | None] = Counter(one.judgement.label for one in kept)
    for row in known():
        rows[row.label] += 1
        new -= features(question_of(row))
    waiting: dict[str | None, list[tuple[float, int]]] = defaultdict(list)
    for at, one in enumerate(able):
        heapq.heappush(waiting[one.judgement.label], (-len(words[at] & new) / max(1, len(words[at])), at))
    taken: list[Finding] = []
    while len(taken) < most and waiting:
        label = min(waiting, key=lambda name: (rows[name], str(name)))
        _, at = heapq.heappop(waiting[label])
        taken.append(able[at])
        rows[label] += 1
        if not waiting[label]:
            del waiting[label]
    return taken
