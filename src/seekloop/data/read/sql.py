"""Databases through SQLAlchemy: rows of a table or query, streamed; with a watermark, only what is new since then."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

from seekloop.data.pulls import SqlSpec
from seekloop.data.read.spool import Item, Spool, open_spool
from seekloop.data.read.stream import Desk, Record, Stream
from seekloop.data.read.values import plain
from seekloop.data.sources import SourceSpec
from seekloop.system import secrets
from seekloop.system.errors import DataError
from seekloop.system.lazy import need

__all__ = ["open_sql"]

_bind = re.compile(r"(?<![:\w\\]):(?=\w)")


def open_sql(source: SourceSpec, desk: Desk) -> Iterator[Stream]:
    """The rows of a table or query. Nothing is written to the database.

    Raises:
        DataError: the database cannot be reached, or refuses the query; no password is in the message.
        UsageError: a secret that the URL names is not set.
        MissingPackage: the driver is not installed.
    """
    assert source.sql is not None  # the table of readers has looked
    spec, shown = source.sql, source.shown
    with _connected(spec, shown=shown, root=desk.ctx.root) as connection:
        container = connection.dialect.name
        if spec.watermark is None:
            records = _numbered(_rows(connection, _everything(spec, connection), spec=spec, shown=shown))
            yield Stream(shown=shown, container=container, records=records, source=source)
            return
        identity = spec.model_dump(include={"url", "query", "table", "watermark", "key"})
        with open_spool(desk.ctx.work, identity=identity, shown=shown) as spool:
            _pull(connection, spool, spec=spec, shown=shown, desk=desk)
            yield Stream(shown=shown, container=container, records=spool.records(), source=source)


@contextlib.contextmanager
def _connected(spec: SqlSpec, *, shown: str, root: Path) -> Iterator[sqlalchemy.Connection]:
    hidden = secrets.values([spec.url])
    try:
        url = _located(sqlalchemy.make_url(secrets.fill(spec.url)), root)
        hidden = (*hidden, *([str(url.password)] if url.password else []))
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        try:
            with engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execution_options(postgresql_readonly=True)
                yield connection
        finally:
            engine.dispose()
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise DataError("data.sql_driver", problem=secrets.hide(str(error), hidden), where=shown) from error
    except SQLAlchemyError as error:
        raise DataError("data.sql_failed", problem=secrets.hide(_problem(error), hidden), where=shown) from error


def _located(url: sqlalchemy.URL, root: Path) -> sqlalchemy.URL:
    """The URL with our driver for PostgreSQL, and SQLite's file taken from the project folder, opened for reading."""
    if url.drivername == "postgresql":
        need("pg8000", extra="postgres")
        return url.set(drivername="postgresql+pg8000")
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith(("file:", ":memory:")):
        return url
    path = root / url.database
    if not path.is_file():
        raise DataError("data.not_found", path=url.database)
    return url.set(database=f"file:{path.resolve()}", query={"mode": "ro", "uri": "true"})


def _problem(error: SQLAlchemyError) -> str:
    """What the database says, in one line, without the statement and its parameters."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    first = cause.args[0] if cause.args else cause
    said = first.get("M", first) if isinstance(first, dict) else first  # pg8000 hands on the server's fields
    return (str(said).splitlines() or [type(cause).__name__])[0]


def _text(query: str) -> sqlalchemy.TextClause:
    """The query as it stands: a colon in it is no parameter."""
    return sqlalchemy.text(_bind.sub(r"\:", query.strip().rstrip(";")))


def _source(spec: SqlSpec, columns: Sequence[str]) -> sqlalchemy.FromClause:
    known: list[Any] = [sqlalchemy.column(name) for name in columns]
    if spec.table is None:
        return _text(spec.query or "").columns(*known).subquery("source")
    schema, _, name = spec.table.rpartition(".")
    return sqlalchemy.table(name, *known, schema=schema or None)


def _everything(spec: SqlSpec, connection: sqlalchemy.Connection) -> sqlalchemy.Executable:
    if spec.table is None:
        return _text(spec.query or "")
    found = sqlalchemy.inspect(connection).get_columns(*_table(spec))
    keys = sqlalchemy.inspect(connection).get_pk_constraint(*_table(spec))["constrained_columns"]
    source = _source(spec, [column["name"] for column in found])
    # Without an order the same table may come in another one tomorrow, and make another corpus.
    return sqlalchemy.select(source).order_by(*(source.c[key] for key in keys or list(source.c.keys())[:1]))


def _table(spec: SqlSpec) -> tuple[str, str | None]:
    schema, _, name = (spec.table or "").rpartition(".")
    return name, schema or None


def _keys(spec: SqlSpec, connection: sqlalchemy.Connection, *, shown: str) -> list[str]:
    if spec.key is not None:
        return [spec.key]
    keys = sqlalchemy.inspect(connection).get_pk_constraint(*_table(spec))["constrained_columns"]
    if not keys:
        raise DataError("data.sql_no_key", where=shown)
    return list(keys)


def _rows(
    connection: sqlalchemy.Connection, statement: sqlalchemy.Executable, *, spec: SqlSpec, shown: str
) -> Iterator[dict[str, Any]]:
    """Rows as the driver gives them, fetched by batches through a cursor of the server where the driver has one."""
    options = {"stream_results": True, "yield_per": spec.batch}
    try:
        _try(connection, statement)
        with connection.execute(statement, execution_options=options) as result:
            names = list(result.keys())
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise DataError("data.column_twice", column=doubled[0], where=shown)
            for row in result:
                yield dict(zip(names, row, strict=True))
    except SQLAlchemyError as error:
        hidden = secrets.values([spec.url])
        raise DataError("data.sql_failed", problem=secrets.hide(_problem(error), hidden), where=shown) from error


def _try(connection: sqlalchemy.Connection, statement: sqlalchemy.Executable) -> None:
    """Let PostgreSQL refuse a wrong statement before a cursor is declared for it: closing that would fail too."""
    if connection.dialect.name != "postgresql":
        return
    if isinstance(statement, sqlalchemy.TextClause):
        inner = statement.columns().subquery("source")
        statement = sqlalchemy.select(sqlalchemy.text("*")).select_from(inner)
    if isinstance(statement, sqlalchemy.Select):
        connection.execute(statement.limit(0)).close()


def _numbered(rows: Iterator[dict[str, Any]]) -> Iterator[Record]:
    for number, row in enumerate(rows, start=1):
        yield Record(line=number, value=plain(row))


def _pull(connection: sqlalchemy.Connection, spool: Spool, *, spec: SqlSpec, shown: str, desk: Desk) -> None:
    """Bring the spool up to the database, a batch at a time, in the order of the watermark.

    Rows with the last watermark are read again: others may have been written in the same moment.
    """
    keys = _keys(spec, connection, shown=shown)
    watermark = spec.watermark or ""
    source = _source(spec, list(dict.fromkeys([watermark, *keys])))
    mark = source.c[watermark]
    state = spool.state()
    before = state.get("mark")
    statement = sqlalchemy.select(sqlalchemy.text("*")).select_from(source).order_by(mark, *(source.c[k] for k in keys))
    if before is not None:
        statement = statement.where(mark >= sqlalchemy.literal(_revived(before, state["type"])))
    count, waiting = 0, []
    for row in _rows(connection, statement, spec=spec, shown=shown):
        waiting.append((Item(key=_key(plain(row), keys), value=plain(row), mark=plain(row[watermark])), row[watermark]))
        count += 1
        if len(waiting) == spec.batch:
            _keep(spool, waiting, state=state)
            waiting = []
    if waiting:
        _keep(spool, waiting, state=state)
    since = f" since {watermark} {before}" if before is not None else ""
    desk.say(f"{shown}: {count} rows read{since}, {spool.count()} in all")


def _keep(spool: Spool, items: Sequence[tuple[Item, Any]], *, state: dict[str, Any]) -> None:
    """Keep a batch with the last watermark in it, and what that was before it became JSON."""
    reached = [(item.mark, type(raw).__name__) for item, raw in items if raw is not None][-1:]
    new = {"mark": reached[0][0], "type": reached[0][1]} if reached else state
    spool.put([item for item, _ in items], pull=1, state=new)


def _revived(mark: Any, kind: str) -> Any:
    """A watermark as the database knows it, from its JSON value and the name of its type."""
    if kind == "datetime":
        return dt.datetime.fromisoformat(mark)
    if kind == "date":
        return dt.date.fromisoformat(mark)
    return decimal.Decimal(mark) if kind == "Decimal" else mark


def _key(row: dict[str, Any], keys: Sequence[str]) -> str:
    values = [row[key] for key in keys]
    return str(values[0]) if len(values) == 1 else json.dumps(values, ensure_ascii=False)
