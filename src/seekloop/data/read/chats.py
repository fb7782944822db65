"""Chat logs: rows of one message each become conversations, one a session, in the order in which they were written.

Messages wait in a temporary database on disk, so that memory stays bounded however far apart those of a session stand.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seekloop.data.read.bodies import Layout
from seekloop.data.read.columns import value_at
from seekloop.data.read.stream import Record, Role
from seekloop.data.read.turns import ROLES
from seekloop.data.read.values import as_text
from seekloop.system.errors import DataError
from seekloop.text.times import parse_time

__all__ = ["gather", "role_of"]

_milliseconds_from = 1e11
_hints: Mapping[Role, tuple[str, ...]] = {
    "assistant": ("客服", "坐席", "机器人", "agent", "support", "bot", "staff", "advisor", "operator", "service"),
    "user": ("客户", "用户", "访客", "顾客", "买家", "customer", "visitor", "client", "user", "caller", "guest"),
}
_kept = ("label", "subject", "split")


def gather(records: Iterable[Record], layout: Layout, *, shown: str) -> tuple[Iterator[Record], Layout]:
    """Messages as conversations, and the layout in which these are read.

    Sessions come in the order of their first message. Messages of one speaker in a row are one turn, a line each. What
    the staff said before the customer's first message (a greeting) is kept as `opening`, what the customer said after
    the last answer as `followup`, both beside the conversation. A broken record stays a record of its own.
    """
    parts = {part: part for part in ("messages", "group", *(part for part in _kept if part in layout.parts))}
    return _conversations(records, layout, shown=shown), Layout(format="chat", parts=parts)


def _conversations(records: Iterable[Record], layout: Layout, *, shown: str) -> Iterator[Record]:
    # An empty name is a private database in a temporary file, removed by SQLite itself.
    spool = sqlite3.connect("", isolation_level=None)
    try:
        spool.execute("CREATE TABLE said (session TEXT, at REAL, line INTEGER, role TEXT, value TEXT)")
        spool.execute("BEGIN")
        for record in records:
            try:
                spool.execute("INSERT INTO said VALUES (?, ?, ?, ?, ?)", _message(record, layout, shown=shown))
            except DataError as error:
                yield Record(line=record.line, problem=error, raw=record.raw or str(record.value))
        ordered = spool.execute(
            "SELECT said.session, line, role, value FROM said JOIN"
            " (SELECT session, MIN(line) AS first FROM said GROUP BY session) AS began USING (session)"
            " ORDER BY first, at, line"
        )
        for session, messages in itertools.groupby(ordered, key=lambda row: row[0]):
            yield _conversation(session, list(messages))
    finally:
        spool.close()


def _message(record: Record, layout: Layout, *, shown: str) -> tuple[str, float, int, str, str]:
    where = f"{shown}:{record.line}"
    if record.problem is not None or record.value is None:
        raise record.problem or DataError("data.empty", where=where)
    cell = {part: value_at(record.value, column) for part, column in layout.parts.items()}
    session = as_text(cell["group"], where).strip()
    if not session:
        raise DataError("data.no_session", column=layout.parts["group"], where=where)
    value = {part: as_text(cell.get(part), where) for part in ("text", *_kept)}
    role = _role(as_text(cell["speaker"], where).strip(), layout.names, where=where)
    return session, _seconds(cell.get("time"), where), record.line, role, json.dumps(value, ensure_ascii=False)


def role_of(speaker: str) -> Role | None:
    """The role that a speaker's name tells: `客服小王` is staff; None: it does not."""
    known = ROLES.get(speaker.strip().lower())
    hinted = [role for role, words in _hints.items() if any(word in speaker.lower() for word in words)]
    return known or (hinted[0] if len(hinted) == 1 else None)


def _role(speaker: str, names: Mapping[str, Role], *, where: str) -> Role:
    role = names.get(speaker) or role_of(speaker)
    if role is None:
        raise DataError("data.unknown_speaker", speaker=speaker or "-", where=where)
    return role


def _seconds(value: object, where: str) -> float:
    """Seconds since 1970, of a date as people and programs write them; 0 where there is none: the order of lines stays.

    A time without a zone is taken as UTC: only the order counts.
    """
    text = as_text(value, where).strip()
    if not text:
        return 0.0
    try:
        number = float(text)
        return number / 1000 if number > _milliseconds_from else number
    except ValueError:
        time = parse_time(text)
    if time is None:
        raise DataError("data.bad_time", value=text, where=where)
    return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).timestamp()


def _conversation(session: str, messages: list[tuple[str, int, str, str]]) -> Record:
    values = [json.loads(value) for _, _, _, value in messages]
    said: list[dict[str, str]] = []
    for (_, _, role, _), value in zip(messages, values, strict=True):
        if said and said[-1]["role"] == role:
            said[-1]["content"] += f"\n{value['text']}"
        else:
            said.append({"role": role, "content": value["text"]})
    meta = {}
    begins = next((place for place, turn in enumerate(said) if turn["role"] == "user"), 0)
    greeting = "\n".join(turn["content"] for turn in said[:begins] if turn["role"] == "assistant")
    if greeting:
        meta["opening"] = greeting
        said = [turn for place, turn in enumerate(said) if place >= begins or turn["role"] != "assistant"]
    if len(said) > 1 and said[-1]["role"] == "user":
        meta["followup"] = said.pop()["content"]
    kept: dict[str, Any] = {part: next((v[part] for v in values if v[part]), None) for part in _kept}
    return Record(line=messages[0][1], value={"messages": said, "group": session, **kept}, meta=meta)
