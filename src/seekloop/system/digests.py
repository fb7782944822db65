"""Canonical JSON and tagged sha-256 digests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

__all__ = ["canonical", "of_bytes", "of_file", "of_json", "of_path", "short"]

_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Any) -> bytes:
    """The one byte form of a JSON value: sorted keys, no spaces, UTF-8, no NaN (after RFC 8785).

    Raises:
        ValueError: `value` holds NaN or an infinity.
        TypeError: `value` is not JSON.
    """
    return _encoder.encode(value).encode()


def of_bytes(data: bytes) -> str:
    """`sha256:HEX` of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def of_json(value: Any) -> str:
    """`sha256:HEX` of the canonical form of `value`."""
    return of_bytes(canonical(value))


def of_file(path: Path) -> str:
    """`sha256:HEX` of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def of_path(path: Path) -> str | None:
    """`sha256:HEX` of a file, or of the names and bytes of all files in a folder; None: nothing is there."""
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.is_file())
        return of_json({one.relative_to(path).as_posix(): of_file(one) for one in files})
    return of_file(path) if path.is_file() else None


def short(identity: str) -> str:
    """A digest or artifact id for people: the tag and its first twelve hex digits; other ids stay as they are."""
    tag, colon, rest = identity.rpartition(":")
    return f"{tag}:{rest[:12]}" if colon else identity
