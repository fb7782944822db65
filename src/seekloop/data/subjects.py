"""Where a person is: the rows that carry their subject id in every corpus and dataset, and what was trained on them.

A corpus has subject ids as they were read; a dataset has pseudonyms for those that are personal data. Both are found,
whether the id is asked for in clear or as its pseudonym.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Row
from seekloop.data.holdings import Holding, Seeker, Sought
from seekloop.data.pii import PiiSpec
from seekloop.data.redaction import pseudonym, redactor_of
from seekloop.system.errors import ArtifactError
from seekloop.text.pii import Redactor

__all__ = ["Holding", "Person", "Whereabouts", "whereabouts"]

_remembered = 65_536


class Person:
    """One person, by any form of their subject id.

    Args:
        subject: the id as a source had it, or its pseudonym `subject:…`.
        ctx: whose key makes the pseudonyms.
    """

    def __init__(self, subject: str, *, ctx: RunContext) -> None:
        self._redactor: Redactor = redactor_of(PiiSpec(), ctx=ctx)
        self.pseudonym = pseudonym(subject, self._redactor, always=True)
        """What is written down about this person: it tells nobody without the key who they are."""
        self._names = {subject, pseudonym(subject, self._redactor), self.pseudonym}
        self._asked: dict[str, bool] = {}

    def named(self, subject: str) -> bool:
        """Whether a subject id is this person's, in whichever form it is written."""
        known = self._asked.get(subject)
        if known is None:
            written = (subject, *(pseudonym(subject, self._redactor, always=always) for always in (False, True)))
            known = not self._names.isdisjoint(written)
            if len(self._asked) >= _remembered:
                self._asked.clear()
            self._asked[subject] = known
        return known

    def owns(self, row: Row) -> bool:
        """Whether a row is about this person."""
        return row.subject is not None and self.named(row.subject)


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """Everything in a project that carries a person."""

    person: str
    """Their pseudonym."""
    holdings: tuple[Holding, ...]
    """Corpora and datasets with rows of theirs, oldest first."""
    trained: tuple[str, ...]
    """Checkpoints made, directly or through others, from a dataset whose train rows have some of theirs."""
    derived: tuple[str, ...]
    """Whatever else was made from such a corpus, dataset or checkpoint: reports, releases, traffic."""
    unreadable: tuple[str, ...]
    """Recorded corpora and datasets that the store no longer has: nothing can be said of them."""

    def as_json(self) -> dict[str, Any]:
        """As a JSON value."""
        return {
            "person": self.person,
            "holdings": {
                holding.artifact: {name: list(ids) for name, ids in holding.rows.items()} for holding in self.holdings
            },
            "trained": list(self.trained),
            "derived": list(self.derived),
            "unreadable": list(self.unreadable),
        }


def whereabouts(subject: str, *, ctx: RunContext) -> Whereabouts:
    """Walk every recorded corpus and dataset, and what was made from them.

    Args:
        subject: the person's id, in clear or as its pseudonym.
        ctx: the project.
    """
    person = Person(subject, ctx=ctx)
    seeker = Seeker(Sought(owns=person.named), ctx=ctx)
    holdings, unreadable = [], []
    for identity in _recorded(ctx):
        try:
            holding = seeker.holding(ctx.store.load(identity))
        except ArtifactError:
            unreadable.append(identity)
            continue
        if holding is not None:
            holdings.append(holding)
    below = _descendants([holding.artifact for holding in holdings], ctx=ctx)
    taught = _descendants([holding.artifact for holding in holdings if "train.jsonl" in holding.rows], ctx=ctx)
    trained = tuple(identity for identity in taught if identity.startswith("checkpoint:"))
    known = {*trained, *(holding.artifact for holding in holdings)}
    return Whereabouts(
        person=person.pseudonym,
        holdings=tuple(holdings),
        trained=trained,
        derived=tuple(identity for identity in below if identity not in known),
        unreadable=tuple(unreadable),
    )


def _recorded(ctx: RunContext) -> list[str]:
    """Ids of all corpora and datasets in the order they were made."""
    return [record.id for record in ctx.ledger.artifacts() if record.kind in ("corpus", "dataset")]


def _descendants(roots: list[str], *, ctx: RunContext) -> list[str]:
    """Everything recorded as made from `roots`, each once, nearest first."""
    found: dict[str, None] = {}
    pending = list(roots)
    while pending:
        for child in ctx.ledger.children(pending.pop(0)):
            if child not in found:
                found[child] = None
                pending.append(child)
    return list(found)
