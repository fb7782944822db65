"""Writes that are whole or absent: temp file in the same folder, fsync, rename, fsync of the folder."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from seekloop.system.errors import ArtifactError

__all__ = ["disk_full_is_a_sentence", "sync_file", "sync_folder", "write_whole"]

_full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path`: a reader sees the old bytes or the new ones, never a part.

    Raises:
        ArtifactError: the disk is full; `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    with disk_full_is_a_sentence(path):
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Flush a written file to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries (names, renames) to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def disk_full_is_a_sentence(path: Path) -> Iterator[None]:
    """Turn "no space left", "quota exceeded" and "file too large" into an ArtifactError that names `path`."""
    try:
        yield
    except Exception as error:
        if _is_full(error):
            raise ArtifactError("system.disk_full", path=path) from error
        raise


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _full
    # Rust libraries (safetensors, tokenizers) raise their own class and keep the number in the text.
    return any(f"(os error {number})" in str(error) for number in _full)
