"""Test rows that ask what train rows ask: whoever is trained on the one is not measured by the other."""

from __future__ import annotations

from collections.abc import Iterable

from seekloop.artifact.rows import Row
from seekloop.text.normalize import key

__all__ = ["leaked", "question_of"]


def leaked(train: Iterable[Row], test: Iterable[Row]) -> list[Row]:
    """Test rows whose question, normalised, is that of a train row."""
    asked = {question_of(row) for row in train}
    return [row for row in test if question_of(row) in asked]


def question_of(row: Row) -> str:
    """All that users say in a row, normalised."""
    return key("\n".join(message.content for message in row.messages if message.role == "user"))
