"""What each event puts into the index tables: a pure function, so that they can be rebuilt and compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Table

from seekloop.artifact import schema
from seekloop.artifact.database import insert_rows
from seekloop.artifact.records import Event

__all__ = ["Kind", "project", "rows_from", "rows_of"]


class Kind(StrEnum):
    """The kinds of event that the ledger writes itself: with index rows or a payload. Notes are of any other kind."""

    ARTIFACT = "artifact.created"
    ALIAS_MOVED = "alias.moved"
    STEP = "step.finished"
    ANSWERED = "answer.recorded"
    FEEDBACK = "feedback.recorded"
    ERASED = "payload.erased"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    SHADOWED = "shadow.recorded"
    SUBJECT_ERASED = "subject.erased"
    EXPIRED = "payloads.expired"


def rows_of(event: Event) -> list[tuple[Table, Mapping[str, Any]]]:
    """The index rows of one event, parents before children."""
    return rows_from(event.kind, event.subject, seq=event.seq, facts=event.facts)


def rows_from(kind: str, subject: str, *, seq: int, facts: Mapping[str, Any]) -> list[tuple[Table, Mapping[str, Any]]]:
    """The same of an event's parts; each row has the table's columns in the table's order."""
    match kind:
        case Kind.ARTIFACT:
            parents = sorted(facts["parents"].items())
            return [
                (schema.artifact, {"id": subject, "kind": facts["kind"], "seq": seq}),
                *(
                    (schema.artifact_parent, {"child": subject, "role": role, "parent": parent, "seq": seq})
                    for role, parent in parents
                ),
            ]
        case Kind.ALIAS_MOVED:
            row = {"name": subject, "version": facts["version"], "target": facts["target"], "seq": seq}
            return [(schema.alias_move, row)]
        case Kind.STEP:
            return [(schema.step, {"seq": seq, "run": subject, "key": facts["key"]})]
        case Kind.ANSWERED:
            return [(schema.answer, {"id": subject, "release": facts["release"], "seq": seq})]
        case Kind.FEEDBACK:
            return [(schema.feedback, {"id": subject, "answer": facts["answer"], "seq": seq})]
        case Kind.ERASED:
            return [(schema.erasure, {"digest": facts["payload"], "seq": seq})]
        case Kind.SUBJECT_ERASED:
            return [(schema.erasure, {"digest": key, "seq": seq}) for key in facts["keys"]]
        case Kind.EXPIRED:
            return [(schema.erasure, {"digest": one, "seq": seq}) for one in (*facts["payloads"], *facts["keys"])]
        case _:
            return []


def project(connection: Connection, events: Iterable[tuple[str, str, int, Mapping[str, Any]]]) -> None:
    """Write the index rows of events, of which each is (kind, subject, seq, facts), table by table."""
    batches: dict[Table, list[Mapping[str, Any]]] = defaultdict(list)
    for kind, subject, seq, facts in events:
        for table, row in rows_from(kind, subject, seq=seq, facts=facts):
            batches[table].append(row)
    for table in schema.projections:
        if batches[table]:
            insert_rows(connection, table, rows=batches[table])
