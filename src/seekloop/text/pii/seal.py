"""Personal data that can be read again with the key: `[PHONE~…]`.

AES-SIV (RFC 5297) needs no nonce, so the same value has the same seal: rows of one person can still be joined, and the
same input gives the same bytes. That also shows which values are equal, as consistent stand-ins do. The kind is
authenticated with the value: a seal that was changed, or given another kind, does not open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Any

from seekloop.system.errors import DataError
from seekloop.system.lazy import need

__all__ = ["reveal", "seal"]

_sealed = re.compile(r"\[([A-Z][A-Z0-9_]*)~([a-z2-7]+)\]")
_purpose = b"seekloop pii seal"


def seal(kind: str, value: str, *, key: bytes) -> str:
    """`value` encrypted: `[KIND~…]` in letters a-z and digits 2-7.

    Raises:
        MissingPackage: `cryptography` is not installed.
    """
    sealed = _cipher(key).encrypt(value.encode(), [kind.upper().encode()])
    return f"[{kind.upper()}~{base64.b32encode(sealed).decode().rstrip('=').lower()}]"


def reveal(text: str, *, key: bytes) -> str:
    """`text` with every sealed value in clear again.

    Raises:
        DataError: a seal was made with another key, or was changed.
        MissingPackage: `cryptography` is not installed.
    """
    if not _sealed.search(text):
        return text
    cipher = _cipher(key)
    return _sealed.sub(lambda match: _opened(cipher, match), text)


def _opened(cipher: Any, match: re.Match[str]) -> str:
    invalid = need("cryptography.exceptions", extra="data").InvalidTag
    code = match[2].upper()
    try:
        sealed = base64.b32decode(code + "=" * (-len(code) % 8))
        if base64.b32encode(sealed).decode().rstrip("=") != code:
            raise ValueError("bits that mean nothing were set")
        return str(cipher.decrypt(sealed, [match[1].encode()]).decode())
    except (invalid, ValueError) as error:
        raise DataError("text.seal_broken", kind=match[1].lower()) from error


def _cipher(key: bytes) -> Any:
    aead = need("cryptography.hazmat.primitives.ciphers.aead", extra="data")
    return aead.AESSIV(hmac.new(key, _purpose, hashlib.sha512).digest())
