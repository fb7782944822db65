"""What the `meta` of a row says that was made of another one."""

from __future__ import annotations

from typing import Any

from seekloop.artifact.rows import Row

__all__ = ["made_of"]


def made_of(row: Row, **how: Any) -> dict[str, Any]:
    """The `meta` of a row that was made of `row` now: what that says of its content, and `how` it was made.

    What is made of a replayed row is counted as made, so it does not say that it was replayed.
    """
    return {**{name: value for name, value in row.meta.items() if name != "replayed_from"}, **how}
