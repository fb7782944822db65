"""The text of a key: `sl_` and 12 hex digits that name it, `_`, 48 random hex digits, 12 hex digits that check it.

The check is a keyed digest of the rest under the ledger's key. Who makes keys up is told from who holds one in a
microsecond, so that a flood of made-up keys never reaches argon2id, which takes 20 ms on purpose.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from seekloop.system.lazy import need

if TYPE_CHECKING:
    import argon2

__all__ = ["PREFIX", "genuine", "hashed", "identity_of", "make", "matches"]

PREFIX = "sl_"
Tag = Callable[..., str]
"""Digits that only the holder of the ledger's key can compute of texts."""
_form = re.compile(r"(sl_[0-9a-f]{12})_([0-9a-f]{48})([0-9a-f]{12})")
_check_digits = 12


def make(tag: Tag, *, identity: str | None = None) -> tuple[str, str]:
    """A new key: its id, and its text.

    Args:
        tag: as above.
        identity: of a key that gets a new secret; None: a new one.
    """
    name = identity or f"{PREFIX}{secrets.token_hex(6)}"
    secret = secrets.token_hex(24)
    return name, f"{name}_{secret}{tag(name, secret)[:_check_digits]}"


def identity_of(key: str) -> str | None:
    """The id in a key's text; None: it has not the form of a key."""
    found = _form.fullmatch(key)
    return found[1] if found else None


def genuine(key: str, tag: Tag) -> bool:
    """Whether a text is a key that was given out here at some time."""
    found = _form.fullmatch(key)
    return found is not None and hmac.compare_digest(tag(found[1], found[2])[:_check_digits], found[3])


def hashed(key: str) -> str:
    """argon2id of a key (RFC 9106), salted, with its parameters in it.

    Raises:
        MissingPackage: argon2-cffi is not installed.
    """
    return _hasher().hash(key)


def matches(key: str, digest: str) -> bool:
    """Whether `digest` is of this key; takes some 20 ms.

    Raises:
        MissingPackage: argon2-cffi is not installed.
    """
    wrong = need("argon2.exceptions", extra="serve").VerificationError
    try:
        return _hasher().verify(digest, key)
    except wrong:
        return False


def _hasher() -> argon2.PasswordHasher:
    # 19 MiB, two passes, one lane: OWASP's least. The secret has 192 random bits, so a guess is hopeless anyway.
    hasher: argon2.PasswordHasher = need("argon2", extra="serve").PasswordHasher(
        time_cost=2, memory_cost=19 * 1024, parallelism=1
    )
    return hasher
