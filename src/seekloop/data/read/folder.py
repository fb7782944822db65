"""LLaMA-Factory folders: `dataset_info.json` says which files there are and what their columns mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seekloop.data.read.stream import Role
from seekloop.data.sources import ColumnsSpec, Format, SourceSpec
from seekloop.system.errors import DataError

__all__ = ["REGISTRY", "Plan", "plans"]

REGISTRY = "dataset_info.json"
_parts = {"prompt": "text", "query": "context", "response": "reply", "kto_tag": "desirable"}
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
    take: int | None = None
    """How many records of the file are wanted, drawn by the seed; None: all."""


def plans(folder: Path, source: SourceSpec) -> tuple[list[Plan], dict[str, list[str]]]:
    """The files of a folder that `source` names, and those left out: reason -> names.

    Data sets that `source.datasets` names must be there and readable; without names, all that can be read are taken.

    Raises:
        DataError: no registry, a broken one, an unknown name, or a named data set that cannot be read.
    """
    shown = source.shown.removesuffix(REGISTRY).rstrip("/")
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
            ready += _plans_of(entry, folder, source=source)
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
    if any(kind in entry.get("columns", {}) for kind in _media):
        return "pictures, video or sound"
    return None if _files(entry, folder) else "file not in the folder"


def _files(entry: Mapping[str, Any], folder: Path) -> list[Path]:
    """The file of a data set, also packed; where the registry names a folder, all files of its subset in it."""
    path = folder / str(entry["file_name"])
    packed = path.with_name(f"{path.name}.gz")
    for inner in ("subset", "folder"):
        if path.is_dir() and (path / str(entry.get(inner, ""))).is_dir():
            path /= str(entry.get(inner, ""))
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith((".", "README")))
    return [candidate for candidate in (path, packed) if candidate.is_file()][:1]


def _format(entry: Mapping[str, Any]) -> Format:
    columns = entry.get("columns", {})
    if entry.get("ranking"):
        return "preference"
    if "kto_tag" in columns:
        return "kto"
    if entry.get("formatting") in ("sharegpt", "openai"):
        return "messages" if entry["formatting"] == "openai" else "sharegpt"
    return "text" if list(columns) == ["prompt"] else "alpaca"


def _plans_of(entry: Mapping[str, Any], folder: Path, *, source: SourceSpec) -> list[Plan]:
    files = _files(entry, folder)
    # The share of each file is the registry's number over the files, the first ones taking what is left over.
    wanted = entry.get("num_samples")
    shares = [None] * len(files) if wanted is None else _shares(int(wanted), len(files))
    return [_plan(entry, path, folder=folder, source=source, take=n) for path, n in zip(files, shares, strict=True)]


def _shares(wanted: int, files: int) -> list[int | None]:
    return [wanted // files + (place < wanted % files) for place in range(files)]


def _plan(entry: Mapping[str, Any], path: Path, *, folder: Path, source: SourceSpec, take: int | None) -> Plan:
    format = _format(entry)
    conversational = entry.get("formatting") in ("sharegpt", "openai")
    columns, tags = entry.get("columns", {}), entry.get("tags", {})
    known = {_parts.get(part, part): column for part, column in columns.items()}
    if conversational:
        known.setdefault("messages", "conversations")
    mapped = ColumnsSpec(**{part: column for part, column in known.items() if part in ColumnsSpec.model_fields})
    names = {str(tags[tag]): role for tag, role in _roles.items() if tag in tags}
    usual = ("role", "content") if entry.get("formatting") == "openai" else ("from", "value")
    keys = (tags.get("role_tag", usual[0]), tags.get("content_tag", usual[1])) if tags else None
    own = source.model_copy(update={"columns": mapped, "format": format})
    name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()
    shown = f"{source.path}/{name}"
    return Plan(path=path, shown=shown, source=own, names=names, keys=keys, take=take)
