"""Bearer keys: one random key a project, in a file that only its owner can read; the server keeps digests."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from seekloop.artifact.keys import make_key
from seekloop.serve.caller import Caller
from seekloop.system.errors import UsageError

__all__ = ["FILE", "Keyring", "local_key"]

FILE = "serve.key"


def local_key(folder: Path) -> str:
    """The project's own key: 64 hex digits in `folder/serve.key`, made at first use.

    Raises:
        UsageError: the file is empty, or others on this machine can read it.
        ArtifactError: the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    if not path.exists():
        make_key(path)
    if path.stat().st_mode & 0o077:
        raise UsageError("serve.key_open_to_others", where=path, path=path)
    key = path.read_text("ascii").strip()
    if not key:
        raise UsageError("serve.key_empty", where=path)
    return key


class Keyring:
    """Who may call.

    Args:
        keys: key -> whoever holds it.
    """

    def __init__(self, keys: Mapping[str, Caller]) -> None:
        self._callers = {_digest(key): caller for key, caller in keys.items()}

    @classmethod
    def of_project(cls, folder: Path) -> Self:
        """The project's one key, whose caller is called `local`.

        Raises:
            UsageError: as for `local_key`.
        """
        return cls({local_key(folder): Caller(name="local")})

    def caller(self, authorization: str) -> Caller | None:
        """The caller of an `Authorization: Bearer KEY` header; None: nobody we know.

        Every known key is compared, each in constant time.
        """
        scheme, _, key = authorization.partition(" ")
        given = _digest(key.strip())
        found = None
        for known, caller in self._callers.items():
            if hmac.compare_digest(known, given):
                found = caller
        return found if scheme.lower() == "bearer" else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
