"""Which rows share a source: turns of one conversation, chunks of one document, copies and variants of one row.

Such rows are right or wrong together, so a figure of them is as sure as there are groups, not rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seekloop.artifact.rows import Row

__all__ = ["groups_of", "made_of"]

_made_from = ("mixed_from", "resampled_from", "augmented_from", "taught_from")


def made_of(row: Row) -> tuple[str, ...]:
    """Names of everything that a row has in common with others of its group, its own first."""
    synthetic = row.meta.get("synthetic", {}).get("seeds", ())
    named = (f"group:{row.meta['group']}",) if row.meta.get("group") is not None else ()
    sources = (*synthetic, *(row.meta[name] for name in _made_from if name in row.meta))
    # The same record read again is `…-2`.
    return (row.id.partition("-")[0], *named, *map(str, sources))


def groups_of(rows: Iterable[Row]) -> dict[str, str]:
    """Row id -> a name that all rows of its group share, joined over everything that two rows have in common."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = name = parent[parent[name]]
        return name

    found: dict[str, Sequence[str]] = {row.id: made_of(row) for row in rows}
    for first, *others in found.values():
        for name in others:
            parent[root(name)] = root(first)
    return {identity: root(names[0]) for identity, names in found.items()}
