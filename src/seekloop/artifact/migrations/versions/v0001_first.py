"""The first schema: events, their indexes, payloads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0001"
down_revision: str | None = None

_Seq = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table."""
    _events()
    _registry()
    _answers()
    op.create_table(
        "payload",
        sa.Column("digest", sa.Text(), primary_key=True),
        sa.Column("body", sa.Text(), nullable=False),
    )


def _events() -> None:
    op.create_table(
        "event",
        sa.Column("seq", _Seq, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "subject", "at", "actor", "facts")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("prev", "mac")),
    )
    op.create_index("event_by_kind", "event", ["kind", "seq"])
    op.create_index("event_by_subject", "event", ["subject", "seq"])


def _registry() -> None:
    op.create_table(
        "artifact",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("seq", _Seq, sa.ForeignKey("event.seq"), nullable=False),
    )
    op.create_index("artifact_by_seq", "artifact", ["seq"])
    op.create_table(
        "artifact_parent",
        sa.Column("child", sa.Text(), sa.ForeignKey("artifact.id"), primary_key=True),
        sa.Column("role", sa.Text(), primary_key=True),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("seq", _Seq, sa.ForeignKey("event.seq"), nullable=False),
    )
    op.create_index("artifact_parent_by_parent", "artifact_parent", ["parent"])
    op.create_index("artifact_parent_by_seq", "artifact_parent", ["seq"])
    op.create_table(
        "alias_move",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("seq", _Seq, sa.ForeignKey("event.seq"), nullable=False),
    )
    op.create_index("alias_move_by_target", "alias_move", ["target"])
    op.create_index("alias_move_by_seq", "alias_move", ["seq"])
    op.create_table(
        "step",
        sa.Column("seq", _Seq, sa.ForeignKey("event.seq"), primary_key=True),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
    )
    op.create_index("step_by_run", "step", ["run", "seq"])
    op.create_index("step_by_key", "step", ["key", "seq"])


def _answers() -> None:
    op.create_table(
        "answer",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("seq", _Seq, sa.ForeignKey("event.seq"), nullable=False),
    )
    op.create_index("answer_by_seq", "answer", ["seq"])
    op.create_index("answer_by_release", "answer", ["release", "seq"])
    op.create_table(
        "feedback",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("answer", sa.Text(), sa.ForeignKey("answer.id"), nullable=False),
        sa.Column("seq", _Seq, sa.ForeignKey("event.seq"), nullable=False),
    )
    op.create_index("feedback_by_seq", "feedback", ["seq"])
    op.create_index("feedback_by_answer", "feedback", ["answer", "seq"])
    op.create_table(
        "erasure",
        sa.Column("digest", sa.Text(), primary_key=True),
        sa.Column("seq", _Seq, sa.ForeignKey("event.seq"), nullable=False),
    )
    op.create_index("erasure_by_seq", "erasure", ["seq"])
