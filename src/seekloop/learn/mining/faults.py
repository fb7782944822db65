"""Wrong answers: those that somebody said are wrong, and those that are like one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seekloop.learn.mining.seen import Seen
from seekloop.metrics.significance import Interval, wilson
from seekloop.text.hashed import Hashed
from seekloop.text.shingles import prints
from seekloop.text.similarity import verified

__all__ = ["Errors", "Like", "errors", "like_errors"]

_candidate, _block = 0.35, 512


@dataclass(frozen=True, kw_only=True)
class Errors:
    """How many answers were wrong."""

    wrong: tuple[str, ...]
    """Ids of answers that somebody said were wrong, in the order of the window."""
    judged: int
    """Answers that somebody spoke of clearly."""
    answers: int
    """Answers in the window."""
    ci: tuple[float, float] | None
    """95 % interval (Wilson) of the share of wrong answers among the judged; None: none was judged. Who finds an answer
    good says so less often than who finds it bad: this is no share of all answers."""

    @property
    def n(self) -> int:
        """Wrong answers."""
        return len(self.wrong)

    @property
    def share(self) -> float | None:
        """Wrong ones of the judged."""
        return len(self.wrong) / self.judged if self.judged else None


@dataclass(frozen=True, kw_only=True)
class Like:
    """An answer that nobody spoke of, to a message like one that was answered wrongly."""

    answer: str
    error: str
    """Id of the wrong answer."""
    similarity: float
    """Of the two messages."""
    same: bool
    """Whether it was answered the same, and so is wrong, too, unless the two messages differ in what matters."""


def errors(window: Sequence[Seen]) -> Errors:
    """The wrong answers of a window, by what was said of them."""
    judged = [one for one in window if one.is_right is not None]
    wrong = tuple(one.id for one in judged if not one.is_right)
    interval: Interval | None = wilson(len(wrong), len(judged)) if judged else None
    ci = None if interval is None else (interval.low, interval.high)
    return Errors(wrong=wrong, judged=len(judged), answers=len(window), ci=ci)


def like_errors(window: Sequence[Seen], known: Sequence[Seen], *, threshold: float) -> list[Like]:
    """Answers of the window that nobody spoke of, to messages like those of known errors; surest first.

    Args:
        window: answers.
        known: answers that were judged wrong, of this window or an earlier one.
        threshold: least similarity of the messages, 0.5 to 1.
    """
    silent = [one for one in window if one.is_right is None and not one.is_unclear]
    if not silent or not known:
        return []
    plain = Hashed.plain()
    marks, errors_marks = prints([one.text for one in silent]), prints([one.text for one in known])
    vectors = plain.vectors([one.text for one in known])
    best: dict[int, Like] = {}
    for at in range(0, len(silent), _block):
        cosines = plain.vectors([one.text for one in silent[at : at + _block]]) @ vectors.T
        rows, columns = np.nonzero(cosines >= _candidate)
        pairs = verified(
            (marks, rows.astype(np.int64) + at), (errors_marks, columns.astype(np.int64)), threshold=threshold
        )
        for new, old, similarity in zip(pairs.new, pairs.old, pairs.similarity, strict=True):
            like = _like(silent[new], known[old], similarity=float(similarity))
            if int(new) not in best or _sureness(like) > _sureness(best[int(new)]):
                best[int(new)] = like
    return sorted(best.values(), key=lambda one: (not one.same, -one.similarity, one.answer))


def _like(one: Seen, error: Seen, *, similarity: float) -> Like:
    same = one.label == error.label if one.label is not None else one.answer.strip() == error.answer.strip()
    return Like(answer=one.id, error=error.id, similarity=round(similarity, 4), same=same)


def _sureness(like: Like) -> tuple[bool, float, str]:
    return like.same, like.similarity, like.error
