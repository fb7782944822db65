"""What stands of all reviews, for whoever learns from them: one verdict an answer, with its correction."""

from __future__ import annotations

from dataclasses import dataclass

from seekloop.artifact.ledger import Ledger
from seekloop.learn.review.board import Decision, State, read_board

__all__ = ["Standing", "standing"]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What people said of one answer in the end."""

    answer: str
    state: State
    """Only what is settled should be learned from."""
    decision: Decision | None
    """None: they disagree, or too few of them spoke."""
    label: str | None = None
    correction: str | None = None
    """The right answer in full; None: none was given, or it was erased with its answer."""
    reason: str = ""
    reviewer: str = ""
    seq: int = 0
    """Number of the event that it was read from."""


def standing(ledger: Ledger) -> dict[str, Standing]:
    """By answer, what stands; answers that nobody decided are left out."""
    told = {answer: case for answer, case in read_board(ledger).cases.items() if case.history}
    verdicts = {answer: case.verdict for answer, case in told.items() if case.state == "settled"}
    spoken = [answer for answer, verdict in verdicts.items() if verdict is not None and verdict.feedback is not None]
    texts = {one.id: one.correction for one in ledger.feedback(answer=spoken)} if spoken else {}
    found = {}
    for answer, case in told.items():
        verdict = verdicts.get(answer)
        if verdict is None:
            found[answer] = Standing(answer=answer, state=case.state, decision=None)
            continue
        found[answer] = Standing(
            answer=answer,
            state=case.state,
            decision=verdict.decision,
            label=verdict.label,
            correction=texts.get(verdict.feedback or ""),
            reason=verdict.reason,
            reviewer=verdict.reviewer,
            seq=verdict.seq,
        )
    return found
