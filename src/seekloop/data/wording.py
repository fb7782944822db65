"""The texts of a row that blocks look at: what was asked, what was answered, everything."""

from __future__ import annotations

from seekloop.artifact.rows import Row

__all__ = ["asked", "everything", "is_answered"]


def asked(row: Row) -> str:
    """The user's turns, one a line."""
    return "\n".join(message.content for message in row.messages if message.role == "user")


def everything(row: Row) -> str:
    """All turns but the system's, one a line, each behind its speaker."""
    turns = [f"{m.role} {m.reasoning or ''} {m.content}" for m in row.messages if m.role != "system"]
    return "\n".join(turns)


def is_answered(row: Row) -> bool:
    """Whether an assistant turn has text or a tool call."""
    return any(m.role == "assistant" and bool(m.content.strip() or m.tool_calls) for m in row.messages)
