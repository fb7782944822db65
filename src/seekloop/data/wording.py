"""The texts of a row that blocks look at: what was asked, what was answered, everything."""

from __future__ import annotations

import json

from seekloop.artifact.rows import Message, Row

__all__ = ["asked", "everything", "is_answered"]


def asked(row: Row) -> str:
    """The user's turns, one a line."""
    return "\n".join(message.content for message in row.messages if message.role == "user")


def everything(row: Row) -> str:
    """All turns but the system's, then a rejected answer's, one a line, with speaker, reasoning and tool calls."""
    turns = [message for message in (*row.messages, *row.rejected) if message.role != "system"]
    return "\n".join(f"{m.role} {m.reasoning or ''} {m.content} {_calls(m)}" for m in turns)


def is_answered(row: Row) -> bool:
    """Whether an assistant turn has text or a tool call."""
    return any(m.role == "assistant" and bool(m.content.strip() or m.tool_calls) for m in row.messages)


def _calls(message: Message) -> str:
    return json.dumps(message.tool_calls, ensure_ascii=False) if message.tool_calls else ""
