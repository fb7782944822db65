"""What a worker process does with a batch that it is sent."""

from __future__ import annotations

from collections.abc import Sequence

from seekloop.artifact.rows import Row, to_line
from seekloop.data.operators import OPERATORS, Batch, Terms

__all__ = ["mapped"]


def mapped(lines: Sequence[str], names: Sequence[str], terms: Terms) -> list[str]:
    """The rows as these operators leave them, one line a row."""
    batch = Batch([Row.model_validate_json(line) for line in lines], {}, {})
    for name in names:
        batch = OPERATORS[name](batch, terms)
    return [to_line(row) for row in batch.rows]
