"""What API keys have used up, day by day and gateway process by gateway process."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "usage",
        *(sa.Column(name, sa.Text(), primary_key=True) for name in ("key", "day", "process")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("requests", "tokens", "cost")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("held_tokens", "held_cost", "tat", "at")),
    )
