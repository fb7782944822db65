"""Secret keys: 32 random bytes in hex, each in a file of its own that only its owner reads. One signs the ledger."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from seekloop.system.errors import LedgerError
from seekloop.system.files import disk_full_is_a_sentence, sync_folder

__all__ = ["make_key", "make_secret", "read_key"]

_length = 32


def make_key(path: Path) -> None:
    """Put a new random key at `path` unless there is one; of several processes that try, one wins.

    Raises:
        ArtifactError: the disk is full.
    """
    make_secret(path, secrets.token_hex(_length).encode() + b"\n")


def make_secret(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Put `data` at `path`, readable by its owner only and whole or not at all.

    Args:
        path: the file.
        data: what it shall hold.
        replace: in the place of what is there; without, what is there stays, and of several processes one wins.

    Raises:
        ArtifactError: the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    with disk_full_is_a_sentence(path):
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                temporary.replace(path)
            else:
                with contextlib.suppress(FileExistsError):
                    path.hardlink_to(temporary)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


def read_key(path: Path) -> bytes:
    """The key in `path`.

    Raises:
        LedgerError: there is no such file, or it holds no key.
    """
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except FileNotFoundError as error:
        raise LedgerError("artifact.key_missing", path=path) from error
    except ValueError as error:
        raise LedgerError("artifact.key_unreadable", path=path) from error
    if len(key) != _length:
        raise LedgerError("artifact.key_unreadable", path=path)
    return key
