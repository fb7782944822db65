"""The ledger's tables.

`event` is the truth and only grows. Every other table but the last four is an index into it: each row is a function of
one event, named by `seq`, and is written in that event's transaction. `payload` holds what is too big for an event or
may have to be erased, encrypted under a key of the vault; the event holds its digest. `erasure` names what was
destroyed: a payload by its digest, or a key by its id. `guard_sketch`, `usage` and `lease` are no part of the record,
and unsigned: what gateways that watch for model extraction remember of the last days, what API keys have used up, and
until when somebody may work; that they took a lease is an event.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

__all__ = [
    "REVISIONS",
    "alias_move",
    "answer",
    "artifact",
    "artifact_parent",
    "erasure",
    "event",
    "feedback",
    "guard_sketch",
    "lease",
    "metadata",
    "payload",
    "projections",
    "step",
    "usage",
]

REVISIONS = ("0001", "0002", "0003", "0004")
"""Every schema revision in order; the last is the one that this code reads and writes."""

metadata = MetaData()
_Seq = BigInteger().with_variant(Integer, "sqlite")


def _seq(*, primary_key: bool = False) -> Column[int]:
    return Column("seq", _Seq, ForeignKey("event.seq"), primary_key=primary_key, nullable=False)


event = Table(
    "event",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("prev", Text, nullable=False),
    Column("mac", Text, nullable=False),
    Index("event_by_kind", "kind", "seq"),
    Index("event_by_subject", "subject", "seq"),
)

artifact = Table(
    "artifact",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    _seq(),
    Index("artifact_by_seq", "seq"),
)

artifact_parent = Table(
    "artifact_parent",
    metadata,
    Column("child", Text, ForeignKey("artifact.id"), primary_key=True),
    Column("role", Text, primary_key=True),
    Column("parent", Text, nullable=False),
    _seq(),
    Index("artifact_parent_by_parent", "parent"),
    Index("artifact_parent_by_seq", "seq"),
)

alias_move = Table(
    "alias_move",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("target", Text, nullable=False),
    _seq(),
    Index("alias_move_by_target", "target"),
    Index("alias_move_by_seq", "seq"),
)

step = Table(
    "step",
    metadata,
    _seq(primary_key=True),
    Column("run", Text, nullable=False),
    Column("key", Text, nullable=False),
    Index("step_by_run", "run", "seq"),
    Index("step_by_key", "key", "seq"),
)

answer = Table(
    "answer",
    metadata,
    Column("id", Text, primary_key=True),
    Column("release", Text, nullable=False),
    _seq(),
    Index("answer_by_seq", "seq"),
    Index("answer_by_release", "release", "seq"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Text, primary_key=True),
    Column("answer", Text, ForeignKey("answer.id"), nullable=False),
    _seq(),
    Index("feedback_by_seq", "seq"),
    Index("feedback_by_answer", "answer", "seq"),
)

erasure = Table(
    "erasure",
    metadata,
    Column("digest", Text, primary_key=True),
    _seq(),
    Index("erasure_by_seq", "seq"),
)

payload = Table(
    "payload",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("key", Text, index=True),
)

guard_sketch = Table(
    "guard_sketch",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("owner", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    *(Column(name, Text, primary_key=True) for name in ("key", "day", "process")),
    *(Column(name, BigInteger, nullable=False) for name in ("requests", "tokens", "cost")),
    *(Column(name, BigInteger, nullable=False) for name in ("held_tokens", "held_cost", "tat", "at")),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("until", Text, nullable=False),
)

projections = (artifact, artifact_parent, alias_move, step, answer, feedback, erasure)
"""The tables that `rebuild` makes anew, parents before children."""
