"""Rows of erased people do not come back: a source that still has them is read without them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Row, row_id
from seekloop.data.pii import PiiSpec
from seekloop.data.redaction import pseudonym, redactor_of

__all__ = ["ERASED", "REASON", "suppressed"]

ERASED = "person.erased"
"""The event that a person was erased; its facts name their pseudonyms."""
REASON = "subject_erased"


def suppressed(rows: Iterable[Row], *, ctx: RunContext) -> Iterator[Row]:
    """`rows`, those of erased people as dropped rows without content.

    Args:
        rows: as they were read.
        ctx: whose ledger says who was erased.
    """
    gone = {one for event in ctx.ledger.events(kind=ERASED) for one in event.facts["people"]}
    if not gone:
        yield from rows
        return
    redactor = redactor_of(PiiSpec(), ctx=ctx)
    known: dict[str, bool] = {}
    count = 0
    for row in rows:
        if row.subject is not None and row.subject not in known:
            known[row.subject] = pseudonym(row.subject, redactor, always=True) in gone
        if row.subject is None or not known[row.subject]:
            yield row
            continue
        count += 1
        # Its own id is a digest of what it said.
        identity = row_id([REASON, row.source.file, row.source.line, count])
        yield Row(id=identity, source=row.source, dropped=REASON)
    if count:
        ctx.progress.say(f"{count} rows of people who were erased are still in the sources, and were not read")
