"""Implicit retries: the same asker asks nearly the same again, so the earlier answer did not help.

They are found when a window is read and not while it is served: the hot path stays as it is, the dials may change
afterwards, and the same window gives the same retries whenever it is read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from seekloop.artifact.ledger import Answer
from seekloop.text.repeats import Asked, repeated

__all__ = ["retried"]


def retried(answers: Iterable[Answer], *, within_s: float, alike: float) -> dict[str, str]:
    """Id of each answer after which the same was asked again -> id of the answer to that.

    Askers are told apart by tenant, caller, user and session, as far as the caller names them. A caller that
    serves many people and names none of them makes people who ask the same look like one who asks again: it should
    name users or sessions.

    Args:
        answers: in any order.
        within_s: seconds between an answer and the next question; 0: nothing counts.
        alike: least similarity of the two questions, 0 to 1.
    """
    if not within_s:
        return {}
    return repeated((one for one in map(_asked, answers) if one is not None), within_s=within_s, alike=alike)


def _asked(answer: Answer) -> Asked | None:
    """None: nobody asked anything, as in a request for an embedding or in a prompt without a user's turn."""
    said = [turn for turn in answer.messages if turn.get("role") == "user" and turn.get("content")]
    if not said or not answer.completion_tokens:
        return None
    at = dt.datetime.fromisoformat(answer.at)
    at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    return Asked(
        id=answer.id,
        who=f"{answer.subject or answer.caller}\n{answer.session or ''}",
        at=at,
        answered=at + dt.timedelta(milliseconds=answer.total_ms),
        text=str(said[-1]["content"]),
    )
