"""Taxonomies in files: YAML, JSON, CSV, or names indented under each other."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seekloop.data.labels.taxonomy import Entry, Taxonomy
from seekloop.system.errors import DataError, UsageError
from seekloop.system.plain import parse_yaml

__all__ = ["dump_taxonomy", "read_taxonomy"]

_body = frozenset({"description", "aliases", "children"})
_languages = ("en", "zh")
_line = re.compile(r"^(?P<indent>[ \t]*)(?P<name>[^=#\n]+?)\s*(?:=\s*(?P<aliases>[^#\n]*?))?\s*(?:#\s*(?P<about>.*))?$")
_parted = re.compile(r"[,，、|;；]")


def read_taxonomy(path: Path, *, shown: str | None = None) -> Taxonomy:
    """Read a taxonomy; the file's extension says how it is written.

    YAML and JSON hold names under names, or a list of records with `name`, `parent`, `description`, `aliases`. CSV has
    these columns (`description_en`, `description_zh` too; aliases parted by `|`). Any other file is indented text,
    `name = alias, alias  # description` a line.

    Raises:
        DataError: not readable, or not a taxonomy (see `Taxonomy.of`); `file:line` is named where lines are known.
    """
    where = shown or str(path)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("labels.bad_taxonomy", problem=error, where=where) from error
    kind = path.suffix.lower()
    if kind in (".yaml", ".yml", ".json"):
        try:
            entries = list(_tree(parse_yaml(text, where=where), parent=None, where=where))
        except UsageError as error:
            raise DataError("labels.bad_taxonomy", problem=error.sentence("en"), where=where) from error
    elif kind in (".csv", ".tsv"):
        entries = list(_table(text, where=where, delimiter="\t" if kind == ".tsv" else ","))
    else:
        entries = list(_indented(text, where=where))
    if not entries:
        raise DataError("labels.bad_taxonomy", problem="it holds no class", where=where)
    return Taxonomy.of(entries)


def dump_taxonomy(taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """The taxonomy as records that `read_taxonomy` reads back from JSON or YAML."""
    return [
        {"name": label.path, "description": dict(label.description), "aliases": list(label.aliases)}
        for label in taxonomy.labels
    ]


def _tree(value: Any, *, parent: str | None, where: str) -> Iterator[Entry]:
    """Entries of nested mappings and lists, or of a list of records."""
    if value is None:
        return
    if isinstance(value, str | int | float):
        yield Entry(name=_joined(parent, str(value)), where=where)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, Mapping) and "name" in item:
                yield from _record(item, parent=parent, where=where)
            else:
                yield from _tree(item, parent=parent, where=where)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            path = _joined(parent, str(name))
            is_body = isinstance(inner, Mapping) and bool(_body & inner.keys())
            if isinstance(inner, str):
                yield Entry(name=path, description=_described(inner), where=where)
                continue
            yield _entry(path, inner if is_body else {}, parent=None, where=where)
            yield from _tree(inner.get("children") if is_body else inner, parent=path, where=where)
    else:
        raise DataError("labels.bad_taxonomy", problem=f"{value!r} is no class", where=where)


def _record(item: Mapping[str, Any], *, parent: str | None, where: str) -> Iterator[Entry]:
    name = str(item["name"])
    given = item.get("parent")
    if given is not None and parent is None:
        yield _entry(name, item, parent=str(given), where=where)
        for below in _tree(item.get("children"), parent=None, where=where):
            yield below if below.parent else replace(below, parent=name)
        return
    yield _entry(_joined(parent, name), item, parent=None, where=where)
    yield from _tree(item.get("children"), parent=_joined(parent, name), where=where)


def _entry(name: str, body: Mapping[str, Any], *, parent: str | None, where: str) -> Entry:
    unknown = sorted(set(body) - _body - {"name", "parent", "description_en", "description_zh"})
    if unknown:
        raise DataError("labels.bad_taxonomy", problem=f"{name} has an unknown key {unknown[0]}", where=where)
    aliases = body.get("aliases") or ()
    return Entry(
        name=name,
        parent=parent,
        description=_described(body.get("description")) | _by_language(body),
        aliases=_split(aliases) if isinstance(aliases, str) else tuple(str(alias) for alias in aliases),
        where=where,
    )


def _by_language(body: Mapping[str, Any]) -> dict[str, str]:
    return {lang: str(body[f"description_{lang}"]) for lang in _languages if body.get(f"description_{lang}")}


def _described(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(language): str(text) for language, text in value.items()}
    if not value:
        return {}
    return {"zh" if re.search("[一-鿿]", str(value)) else "en": str(value)}


def _joined(parent: str | None, name: str) -> str:
    return f"{parent}/{name}" if parent else name


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _parted.split(text) if part.strip())


def _table(text: str, *, where: str, delimiter: str) -> Iterator[Entry]:
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter)
    columns = {str(name).strip().lower(): name for name in reader.fieldnames or ()}
    if "name" not in columns:
        raise DataError("labels.bad_taxonomy", problem="the table has no column name", where=f"{where}:1")
    for row in reader:
        place = f"{where}:{reader.line_num}"
        cells = {name: (row.get(column) or "").strip() for name, column in columns.items()}
        if not any(cells.values()):
            continue
        body = {name: cell for name, cell in cells.items() if name not in ("name", "parent") and cell}
        yield _entry(cells["name"], body, parent=cells.get("parent") or None, where=place)


def _indented(text: str, *, where: str) -> Iterator[Entry]:
    """Names, each under the nearest line above it that is indented less."""
    above: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _line.match(line.rstrip())
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if match is None:
            raise DataError("labels.bad_taxonomy", problem="the line has no name", where=f"{where}:{number}")
        indent = len(match["indent"].expandtabs(4))
        while above and above[-1][0] >= indent:
            above.pop()
        path = _joined(above[-1][1] if above else None, match["name"].strip())
        above.append((indent, path))
        about, aliases = match["about"] or "", _split(match["aliases"] or "")
        yield Entry(name=path, description=_described(about), aliases=aliases, where=f"{where}:{number}")
