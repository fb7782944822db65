"""LLaMA-Factory folders: `dataset_info.json` says which files there are and what their columns mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seekloop.data.read.turns import Role
from seekloop.data.spec import ColumnsSpec, Format, SourceSpec
from seekloop.system.errors import DataError

__all__ = ["REGISTRY", "Plan", "plans"]

REGISTRY = "dataset_info.json"
_parts = {"prompt": "text", "query": "context", "response": "reply"}
_roles: Mapping[str, Role] = {
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "call",
    "system_tag": "system",
}
_media = ("images", "videos", "audios")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One file to read, and what is known of it before its first byte."""

    path: Path
    shown: str
    source: SourceSpec
    """Its `columns` and `format` hold what the registry says of the file."""
    names: Mapping[str, Role] = field(default_factory=dict)
    keys: tuple[str, str] | None = None


def plans(folder: Path, source: SourceSpec) -> tuple[list[Plan], dict[str, list[str]]]:
    """The files of a folder that `source` names, and those left out: reason -> names.

    Data sets that `source.datasets` names must be there and readable; without names, all that can be read are taken.

    Raises:
        DataError: no registry, a broken one, an unknown name, or a named data set that cannot be read.
    """
    shown = source.path.removesuffix(REGISTRY).rstrip("/")
    source = source.model_copy(update={"path": shown})
    registry = _registry(folder, shown)
    unknown = [name for name in source.datasets if name not in registry]
    if unknown:
        known = ", ".join(sorted(registry))
        raise DataError("data.unknown_dataset", name=unknown[0], known=known, where=f"{source.path}/{REGISTRY}")
    ready: list[Plan] = []
    left_out: dict[str, list[str]] = {}
    for name in source.datasets or registry:
        entry = registry[name]
        reason = _unreadable(entry, folder)
        if reason is None:
            ready.append(_plan(entry, folder, source=source))
        elif source.datasets:
            raise DataError("data.unreadable_dataset", name=name, reason=reason, where=f"{source.path}/{REGISTRY}")
        else:
            left_out.setdefault(reason, []).append(name)
    if not ready:
        raise DataError("data.empty", where=source.path)
    return ready, left_out


def _registry(folder: Path, shown: str) -> dict[str, dict[str, Any]]:
    path = folder / REGISTRY
    if not path.is_file():
        raise DataError("data.folder", registry=REGISTRY, where=shown)
    try:
        value = json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise DataError("data.bad_json", problem=error, where=f"{shown}/{REGISTRY}") from error
    if not isinstance(value, dict) or not all(isinstance(entry, dict) for entry in value.values()):
        raise DataError("data.bad_json", problem="it is no map of data sets", where=f"{shown}/{REGISTRY}")
    return value


def _unreadable(entry: Mapping[str, Any], folder: Path) -> str | None:
    """Why a data set cannot be read here; None: it can."""
    if "file_name" not in entry:
        return "on a hub"
    if entry.get("ranking") or "kto_tag" in entry.get("columns", {}):
        return "preferences, not answers"
    if any(kind in entry.get("columns", {}) for kind in _media):
        return "pictures, video or sound"
    return None if _file(entry, folder) else "file not in the folder"


def _file(entry: Mapping[str, Any], folder: Path) -> Path | None:
    path = folder / str(entry["file_name"])
    packed = path.with_name(f"{path.name}.gz")
    return next((candidate for candidate in (path, packed) if candidate.is_file()), None)


def _plan(entry: Mapping[str, Any], folder: Path, *, source: SourceSpec) -> Plan:
    path = _file(entry, folder)
    assert path is not None  # _unreadable has looked
    format: Format = "sharegpt" if entry.get("formatting") == "sharegpt" else "alpaca"
    columns, tags = entry.get("columns", {}), entry.get("tags", {})
    known = {_parts.get(part, part): column for part, column in columns.items()}
    if format == "sharegpt":
        known.setdefault("messages", "conversations")
    mapped = ColumnsSpec(**{part: column for part, column in known.items() if part in ColumnsSpec.model_fields})
    names = {str(tags[tag]): role for tag, role in _roles.items() if tag in tags}
    keys = (tags.get("role_tag", "from"), tags.get("content_tag", "value")) if tags else None
    own = source.model_copy(update={"columns": mapped, "format": format})
    shown = f"{source.path}/{path.relative_to(folder).as_posix()}"
    return Plan(path=path, shown=shown, source=own, names=names, keys=keys)
