"""Reads what mining looks at: a window of production out of the ledger, the known rows out of the store."""

from __future__ import annotations

import datetime as dt

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.rows import read_rows
from seekloop.artifact.store import Store
from seekloop.learn.mining.seen import Seen, of_answers, of_rows

__all__ = ["known_rows", "window"]


def window(
    ledger: Ledger, dataset: Dataset, *, after: str | None, until: str | None = None, bad_score: float = 0.5
) -> list[Seen]:
    """The answers that were recorded after a moment, with all feedback on them up to now.

    Args:
        ledger: where they are. Answers whose text was erased are left out.
        dataset: whose form and labels the answers have.
        after: ISO 8601; None: from the beginning.
        until: ISO 8601: requests that came in later are left out.
        bad_score: a score below this finds fault.

    Raises:
        LedgerError: a moment is none.
    """
    end = None if until is None else dt.datetime.fromisoformat(until)
    answers = ledger.answers(after=after)
    if end is not None:
        answers = [one for one in answers if _moment(one.at) <= _aware(end)]
    feedback = ledger.feedback(after=after)
    return of_answers(answers, feedback, form=dataset.answer, labels=dataset.labels, bad_score=bad_score)


def known_rows(dataset: Dataset, *, store: Store) -> list[Seen]:
    """The rows that a model was trained on.

    Raises:
        ArtifactError: the dataset's files are missing.
    """
    return of_rows(read_rows(store.path(dataset.id, "train.jsonl")))


def _moment(text: str) -> dt.datetime:
    return _aware(dt.datetime.fromisoformat(text))


def _aware(moment: dt.datetime) -> dt.datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
