"""What is asked for: a person by any form of their id, rows, answers or source files; and what that means here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from seekloop.artifact.context import RunContext
from seekloop.artifact.payloads import subject_name
from seekloop.data.subjects import Person
from seekloop.system.errors import UsageError

__all__ = ["BEGUN", "Resolved", "Target", "resolve"]

BEGUN = "erasure.begun"
"""The event that an erasure began; its facts say what was found then."""

_whole = 3
"""Parts of a subject's name that say which user of which caller of which tenant it is."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is asked for; at least one field is filled."""

    subjects: tuple[str, ...] = ()
    """Forms of one person's id: as a source had it, as its pseudonym, or TENANT/CALLER/USER as production knows it."""
    rows: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Source files, as rows name them."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A target, in the words of the ledger and of the data."""

    id: str
    """A pseudonym under the project's key: it tells nobody without the key what was asked for."""
    people: tuple[Person, ...]
    scopes: frozenset[str]
    """Pseudonyms of the subjects in production."""
    target: Target

    def owns(self, subject: str) -> bool:
        """Whether a row's subject id is the person's."""
        return any(person.named(subject) for person in self.people)


def resolve(target: Target, *, ctx: RunContext) -> Resolved:
    """What a target means in a project.

    A person's id without a slash is looked for among the users of every caller. An id that users of several tenants
    have may be several people's: then it has to be said whose is meant.

    Raises:
        UsageError: nothing is asked for, or users of several tenants have this id.
        LedgerError: the keys of texts cannot be had.
    """
    if not (target.subjects or target.rows or target.answers or target.files):
        raise UsageError("erasure.nothing_asked")
    people = tuple(Person(subject, ctx=ctx) for subject in target.subjects)
    holders = ctx.ledger.holders
    scopes = {holders.scope(subject) for subject in target.subjects}
    scopes |= {subject for subject in target.subjects if subject.startswith("subject:")}
    if people and not any("/" in subject for subject in target.subjects):
        names = list(_named(people, holders.names()))
        tenants = sorted({name.partition("/")[0] for name in names})
        if len(tenants) > 1:
            raise UsageError("erasure.several_tenants", tenants=", ".join(tenants))
        scopes.update(map(holders.scope, names))
        scopes.update(holders.scope(subject_name("local", subject)) for subject in target.subjects)
    identity = _id(target, people, ctx=ctx)
    # Whose texts these were cannot be read any more once their keys are gone.
    for event in ctx.ledger.events(kind=BEGUN, subject=identity):
        scopes.update(event.facts["scopes"])
    return Resolved(id=identity, people=people, scopes=frozenset(scopes), target=target)


def _named(people: Iterable[Person], names: Iterable[str]) -> Iterator[str]:
    """Those of `names` (TENANT/CALLER/USER) whose user is one of `people`."""
    for name in names:
        parts = name.split("/")
        user = parts[-1].replace("%2F", "/").replace("%25", "%")
        if len(parts) == _whole and any(person.named(user) for person in people):
            yield name


def _id(target: Target, people: tuple[Person, ...], *, ctx: RunContext) -> str:
    if people:
        return min(person.pseudonym for person in people)
    # An id of a row is a digest of its content, which a guess could confirm.
    return ctx.ledger.holders.scope("\n".join((*target.rows, "", *target.answers, "", *target.files)))
