"""What Alembic runs for every command: the revisions, on the connection that `upgrade` hands over."""

from __future__ import annotations

from alembic import context

from seekloop.artifact.schema import metadata

__all__: list[str] = []

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
