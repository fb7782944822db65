"""What each event puts into the index tables: a pure function, so that they can be rebuilt and compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Table

from seekloop.artifact import schema
from seekloop.artifact.database import insert_rows
from seekloop.artifact.records import Event

__all__ = ["ALIAS_MOVED", "ANSWERED", "ARTIFACT", "ERASED", "FEEDBACK", "RESERVED", "STEP", "project", "rows_of"]

ARTIFACT, ALIAS_MOVED, STEP = "artifact.created", "alias.moved", "step.finished"
ANSWERED, FEEDBACK, ERASED = "answer.recorded", "feedback.recorded", "payload.erased"
RESERVED = frozenset({ARTIFACT, ALIAS_MOVED, STEP, ANSWERED, FEEDBACK, ERASED})
"""Kinds that have index rows; `note` may not write them."""


def rows_of(event: Event) -> list[tuple[Table, Mapping[str, Any]]]:
    """The index rows of one event, parents before children."""
    seq, facts = event.seq, event.facts
    match event.kind:
        case "artifact.created":
            parents = sorted(facts["parents"].items())
            return [
                (schema.artifact, {"id": event.subject, "kind": facts["kind"], "seq": seq}),
                *(
                    (schema.artifact_parent, {"child": event.subject, "role": role, "parent": parent, "seq": seq})
                    for role, parent in parents
                ),
            ]
        case "alias.moved":
            row = {"name": event.subject, "version": facts["version"], "target": facts["target"], "seq": seq}
            return [(schema.alias_move, row)]
        case "step.finished":
            return [(schema.step, {"run": event.subject, "key": facts["key"], "seq": seq})]
        case "answer.recorded":
            return [(schema.answer, {"id": event.subject, "release": facts["release"], "seq": seq})]
        case "feedback.recorded":
            return [(schema.feedback, {"id": event.subject, "answer": facts["answer"], "seq": seq})]
        case "payload.erased":
            return [(schema.erasure, {"digest": facts["payload"], "seq": seq})]
        case _:
            return []


def project(connection: Connection, events: Iterable[Event]) -> None:
    """Write the index rows of `events`, each table in one statement."""
    batches: dict[Table, list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        for table, row in rows_of(event):
            batches[table].append(row)
    for table in schema.projections:
        if batches[table]:
            insert_rows(connection, table, rows=batches[table])
