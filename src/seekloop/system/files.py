"""Files that are whole or absent (temp file in the same folder, fsync, rename, fsync of the folder), and locks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from seekloop.system.errors import ArtifactError, SeekloopError

__all__ = ["disk_full_is_a_sentence", "exclusive", "sync_file", "sync_folder", "whole", "write_whole"]

_full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path`: a reader sees the old bytes or the new ones, never a part.

    Raises:
        ArtifactError: the disk is full; `path` is as it was.
    """
    with whole(path) as file:
        file.write(data)


@contextlib.contextmanager
def whole(path: Path, *, encoding: str | None = None, buffering: int = -1) -> Iterator[IO[Any]]:
    """A file to write to, of text where an encoding is given, that takes the place of `path` when all is written.

    Raises:
        ArtifactError: the disk is full; `path` is as it was, as it is whatever goes wrong in the block.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    with disk_full_is_a_sentence(path):
        try:
            with temporary.open("wb" if encoding is None else "w", encoding=encoding, buffering=buffering) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


@contextlib.contextmanager
def exclusive(path: Path, *, busy: SeekloopError) -> Iterator[None]:
    """Keep a folder, or else a lock file that is made, to this process; the kernel lets go when the process ends.

    Raises:
        SeekloopError: `busy`: another process has it.
    """
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy from error
        yield
    finally:
        os.close(handle)


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
