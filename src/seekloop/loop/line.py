"""The line of datasets behind a release, as they are now: without the rows of people who were erased since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.lineage import REWRITTEN, replaced, replacement
from seekloop.artifact.projection import Kind
from seekloop.artifact.rows import read_rows

__all__ = ["WITHDRAWN", "as_it_is_now", "line_of", "withdrawn"]

WITHDRAWN = "row.withdrawn"
"""Event about a row, or about an answer that rows came from: it may not be trained any more."""
_person_erased = "person.erased"


def line_of(dataset: Dataset, *, ctx: RunContext) -> Iterator[Dataset]:
    """The dataset, its parent, and so on to the first round's, each as it is now; the newest first.

    Raises:
        ArtifactError: one is no longer in the store.
    """
    now = replaced(ctx.ledger)
    before: str | None = dataset.id
    while before is not None:
        one = ctx.store.open(now.get(before, before), Dataset)
        yield one
        before = one.parents.get("parent")


def as_it_is_now(dataset: Dataset, *, ctx: RunContext) -> Dataset:
    """The dataset without the rows of those who were erased since; itself where nobody in it was.

    Raises:
        ArtifactError: what replaced it is not in the store.
    """
    identity = replacement(dataset.id, ledger=ctx.ledger)
    return dataset if identity == dataset.id else ctx.store.open(identity, Dataset)


def withdrawn(line: Iterable[Dataset], *, ctx: RunContext) -> tuple[str, ...]:
    """What of a line may not be trained again: answers whose texts were erased, rows and answers withdrawn, people.

    Returns:
        Ids of rows and answers, and pseudonyms, in order: what `replay.without` takes. Those alone that a train row of
        the line has, so that what concerns others does not change what this line is made from.
    """
    found: set[str] = set()
    for event in ctx.ledger.events(kind=[Kind.ERASED, REWRITTEN, _person_erased, WITHDRAWN]):
        found.add(_answer_of(event.subject, ctx=ctx) if event.kind == Kind.ERASED else event.subject)
    present: set[str] = set()
    for one in line if found else ():
        for row in read_rows(ctx.store.path(one.id, "train.jsonl")):
            present |= found & {row.id, row.origin or "", row.subject or ""}
    return tuple(sorted(present))


def _answer_of(identity: str, *, ctx: RunContext) -> str:
    """The answer that an erased text belonged to: a feedback's is the answer that it spoke of."""
    spoken = next(ctx.ledger.events(kind=Kind.FEEDBACK, subject=identity), None)
    return identity if spoken is None else str(spoken.facts["answer"])
