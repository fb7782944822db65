"""Conversations as triples: what was said before, the response, and what the user said then; one for each answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekloop.artifact.rows import Message, Row
from seekloop.data.turning import as_turn, json_line, spoken

__all__ = ["Triple", "triples", "write_triples"]


@dataclass(frozen=True, kw_only=True)
class Triple:
    """One answer in its place."""

    context: tuple[Message, ...]
    """The turns before it, from the first on."""
    response: Message
    """The assistant's turn."""
    followup: str | None = None
    """The user's next turn; None: there is none."""
    intent: str | None = None
    """The label of the conversation."""

    def as_record(self) -> dict[str, Any]:
        """As a JSON value that is read back as `triples`: `{intent?, context, response, followup?}`."""
        record: dict[str, Any] = {"context": [as_turn(message) for message in self.context]}
        plain = not self.response.tool_calls
        record["response"] = spoken(self.response) if plain else [as_turn(self.response)]
        known = {"intent": self.intent, "followup": self.followup}
        return {**record, **{name: value for name, value in known.items() if value is not None}}


def triples(row: Row) -> Iterator[Triple]:
    """A triple for each assistant turn that a user's came before; the followup of the last one is the row's own."""
    turns = row.messages
    for place, message in enumerate(turns):
        if message.role != "assistant" or not any(before.role == "user" for before in turns[:place]):
            continue
        after = turns[place + 1] if place + 1 < len(turns) else None
        said = after.content if after is not None and after.role == "user" else None
        own = row.meta.get("followup") if after is None else None
        yield Triple(context=turns[:place], response=message, followup=said or own, intent=row.label)


def write_triples(path: Path, rows: Iterable[Row]) -> int:
    """Write the triples of rows as JSON Lines; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            for triple in triples(row):
                file.write(json_line(triple.as_record()))
                count += 1
    return count
