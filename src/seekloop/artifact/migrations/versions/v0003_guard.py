"""Encrypted payloads say under which key; and what gateways remember of each caller's coverage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Add a column and a table; nothing that is there is changed."""
    op.add_column("payload", sa.Column("key", sa.Text()))
    op.create_index("ix_payload_key", "payload", ["key"])
    op.create_table(
        "guard_sketch",
        sa.Column("scope", sa.Text(), primary_key=True),
        sa.Column("owner", sa.Text(), primary_key=True),
        sa.Column("day", sa.Text(), primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
