"""The project's key for personal data, and what acts on personal data under it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from seekloop.artifact.context import STATE, RunContext
from seekloop.artifact.keys import make_key, read_key
from seekloop.data.pii import PiiSpec
from seekloop.system import settings
from seekloop.system.errors import UsageError
from seekloop.system.lazy import need
from seekloop.text.pii import Redactor
from seekloop.text.pii.fakes import canonical
from seekloop.text.pii.names import open_recognizers

__all__ = ["KEY", "keyless", "project_key", "pseudonym", "redactor_of"]

KEY = "pii.key"
"""File of the project's state folder with the key for personal data."""
_length = 32


def redactor_of(spec: PiiSpec, *, ctx: RunContext) -> Redactor:
    """What acts on personal data as `spec` says, under the project's key.

    Raises:
        DataError: a folder in `names` holds no token classifier.
        MissingPackage: a name finder, or `cryptography` where something is to be encrypted, is not installed.
    """
    if "encrypt" in spec.by_kind.values():
        need("cryptography", extra="data")
    return _redactor(spec, key=functools.partial(_key_in, ctx.root), root=ctx.root)


def keyless(spec: PiiSpec) -> Redactor:
    """The same without a key, for what masks and drops only."""
    return _redactor(spec, key=_no_key)


def _no_key() -> bytes:
    raise ValueError("replace, hash, encrypt and pseudonyms need a key")


def _redactor(spec: PiiSpec, *, key: Callable[[], bytes], root: Path | None = None) -> Redactor:
    recognizers = open_recognizers(spec.names, root=root)
    return Redactor(spec.by_kind, allow=spec.allow, key=key, recognizers=recognizers, least=spec.least)


def project_key(ctx: RunContext) -> bytes:
    """The key for personal data: `SEEKLOOP_PII_KEY`, or `.seekloop/pii.key`, which is made where there is none.

    Raises:
        UsageError: the setting is not 32 bytes in hex.
        LedgerError: the file is not.
    """
    return _key_in(ctx.root)


def _key_in(root: Path) -> bytes:
    """The same for a project's folder: another process needs that folder or the setting, and is never sent the key."""
    if settings.pii_key() is not None:
        return _key_of(settings.pii_key() or "")
    path = root / STATE / KEY
    path.parent.mkdir(parents=True, exist_ok=True)
    make_key(path)
    return read_key(path)


def pseudonym(subject: str, redactor: Redactor, *, always: bool = False) -> str:
    """A subject as rows carry it: itself, or `subject:…` under the key where it is personal data, or `always`.

    The written forms of one telephone have one pseudonym; a pseudonym stays as it is.
    """
    found = redactor.find(subject)
    if subject.startswith("subject:") or not (found or always):
        return subject
    whole = bool(found) and found[0].start == 0 and found[0].end == len(subject)
    return redactor.pseudonym(canonical(found[0].kind, subject) if whole else subject)


def _key_of(text: str) -> bytes:
    """The key that is written as `text`.

    Raises:
        UsageError: it is not 32 bytes in hex.
    """
    try:
        key = bytes.fromhex(text.strip())
    except ValueError as error:
        raise UsageError("data.pii_key_bad") from error
    if len(key) != _length:
        raise UsageError("data.pii_key_bad")
    return key
