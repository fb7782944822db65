"""Rows of a dataset or corpus, counted a line at a time: by language, label, source, and why they were left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Corpus, Dataset
from seekloop.artifact.lineage import shredded
from seekloop.artifact.rows import read_rows
from seekloop.text.segment import language_of

__all__ = ["Counted", "count_rows"]


@dataclass(kw_only=True)
class Counted:
    """A file of rows."""

    rows: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    """By script: what a Chinese or English row is, not which of the languages of one script."""
    labels: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    consent: Counter[str] = field(default_factory=Counter)
    people: int = 0
    origins: int = 0


def count_rows(data: Dataset | Corpus, file: str, *, ctx: RunContext) -> Counted | None:
    """Count a file; None: it was removed, or there is none.

    Raises:
        ArtifactError: a line is no row; it is named.
    """
    if file not in data.files or file in shredded(data.id, ledger=ctx.ledger):
        return None
    found = Counted()
    for row in read_rows(ctx.store.path(data.id, file)):
        found.rows += 1
        asked = [message.content for message in row.messages if message.role == "user"]
        found.languages[language_of(" ".join(asked) or " ".join(one.content for one in row.messages))] += 1
        found.labels.update(row.labels or ([row.label] if row.label is not None else []))
        found.sources[row.source.file] += 1
        found.dropped.update([row.dropped] if row.dropped else [])
        found.consent[str(row.meta.get("consent", "unstated"))] += 1
        found.people += row.subject is not None
        found.origins += row.origin is not None
    return found
