"""Puts answers into the queue: what mining picked, and whatever else should be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seekloop.artifact.ledger import Ledger
from seekloop.learn.mining.selection import Pick
from seekloop.learn.review.board import QUEUED, Board, read_board
from seekloop.system.errors import LedgerError

__all__ = ["fill"]

_tries = 20


def fill(picks: Iterable[Pick], ledger: Ledger, *, actor: str, opinions: int = 1) -> list[str]:
    """Queue answers that are not in the queue yet, in order; an answer is queued once.

    Args:
        picks: answers with the reasons.
        ledger: where the queue is.
        actor: who asks.
        opinions: people who shall look at each.

    Returns:
        Ids of those that were added.

    Raises:
        LedgerError: the queue is too busy; what was added stands, and again adds the rest.
    """
    board, added = read_board(ledger), []
    for pick in picks:
        case = board.cases.get(pick.answer)
        if case is not None and case.queued:
            continue
        facts = {"reasons": _distinct(pick.reasons), "score": pick.score, "opinions": opinions}
        if _queue(pick.answer, facts, ledger=ledger, actor=actor, board=board):
            added.append(pick.answer)
    return added


def _queue(answer: str, facts: Mapping[str, Any], *, ledger: Ledger, actor: str, board: Board) -> bool:
    """Queue one answer, whoever decides others meanwhile; False where somebody else queued it first."""
    for _ in range(_tries):
        try:
            board.take(ledger.note_next(QUEUED, answer, facts=facts, actor=actor, after=board.turn))
            return True
        except LedgerError as error:
            if error.code != "artifact.decided_since":
                raise
        case = read_board(ledger, onto=board).cases.get(answer)
        if case is not None and case.queued:
            return False
    raise LedgerError("review.busy")


def _distinct(reasons: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(reasons))
