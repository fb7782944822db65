"""Verbs about people: where somebody's rows are, erasing them, and reading what was encrypted."""

from __future__ import annotations

import sys
from pathlib import Path

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.data.erase import erase
from seekloop.data.redaction import project_key
from seekloop.data.subjects import Whereabouts, whereabouts
from seekloop.system import digests
from seekloop.text import pii

__all__ = ["person", "reveal"]


def person(*, folder: Path, subject: str, erased: bool, as_json: bool) -> None:
    """Print where a person is; with `erased`, write every corpus and dataset again without them."""
    ctx = context_of(folder)
    if erased:
        done = erase(subject, ctx=ctx)
        found, value = done.found, done.as_json()
    else:
        done, found = None, whereabouts(subject, ctx=ctx)
        value = found.as_json()
    ctx.ledger.close()
    if as_json:
        print_json(value)
    else:
        _print(found, {} if done is None else done.replaced)


def _print(found: Whereabouts, replaced: dict[str, str]) -> None:
    rows = [
        (digests.short(holding.artifact), _counts(holding.rows), digests.short(replaced.get(holding.artifact, "")))
        for holding in found.holdings
    ]
    rows += [(digests.short(identity), "trained on them", "") for identity in found.trained]
    rows += [(digests.short(identity), "made from them", "") for identity in found.derived]
    rows += [(digests.short(identity), "not in the store any more", "") for identity in found.unreadable]
    print_table(found.person, head=("artifact", "rows", "without them"), rows=rows)


def _counts(rows: dict[str, tuple[str, ...]]) -> str:
    return ", ".join(f"{name.removesuffix('.jsonl')} {len(ids)}" for name, ids in rows.items())


def reveal(*, folder: Path, file: Path) -> None:
    """Print a text file with its encrypted personal data in clear, under the project's key."""
    ctx = context_of(folder)
    key = project_key(ctx)
    ctx.ledger.close()
    with file.open(encoding="utf-8") as lines:
        sys.stdout.writelines(pii.reveal(line, key=key) for line in lines)
