"""Runs the revisions on an open connection, inside its transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

__all__ = ["config_of", "upgrade"]


def upgrade(connection: Connection, *, to: str = "head") -> None:
    """Bring the schema on `connection` to revision `to`."""
    command.upgrade(config_of(connection), to)


def config_of(connection: Connection | None = None) -> Config:
    """Alembic's configuration, made here so that nobody needs an alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
