"""Texts as they lie in the database: encrypted under a key of their subject, and named by a digest that tells nothing.

The digest in the event is that of the encrypted text. So whoever checks the chain needs no key of a text, an erased
text's event still holds, and a text that somebody guesses cannot be confirmed: the key is random, and gone after an
erasure. Cipher: AES-256-GCM (NIST SP 800-38D) with a random nonce; the id of the answer or feedback is authenticated
with the text. Texts of before there were keys stand in clear, salted, until `reseal` encrypts them; their digest stays
that of the text in clear.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.chain import Chain
from seekloop.artifact.vault import DataKey, Vault
from seekloop.system import digests
from seekloop.system.errors import LedgerError

__all__ = ["Box", "Payloads", "Stored", "is_sealed", "subject_name"]

_nonce, _remembered = 12, 4096
_new, _old = "sealed", "resealed"


@dataclass(frozen=True)
class Box:
    """A text that is about to be stored."""

    owner: str
    """Id of the answer or feedback."""
    subject: str
    """Whose data it is, as `subject_name` writes it."""
    value: Mapping[str, Any]


@dataclass(frozen=True)
class Stored:
    """A row of `schema.payload`."""

    digest: str
    body: str
    key: str | None
    """Id of the key that it is encrypted under; None: it stands in clear."""

    @property
    def row(self) -> dict[str, str | None]:
        """Column -> value."""
        return {"digest": self.digest, "body": self.body, "key": self.key}


class Payloads:
    """Encrypts texts and gives them back.

    Args:
        chain: whose key makes pseudonyms of subjects.
        vault: keys; None: texts are stored in clear, salted so that their digest cannot be guessed from likely texts.
    """

    def __init__(self, chain: Chain, vault: Vault | None) -> None:
        self._chain = chain
        self.vault = vault
        self._scopes = functools.lru_cache(_remembered)(self._made_scopes)

    def scope(self, subject: str) -> str:
        """The pseudonym of a subject: it tells nobody without the ledger's key who they are."""
        return f"subject:{self._chain.sign('subject', subject)[:32]}"

    def seal(self, boxes: Sequence[Box]) -> list[Stored]:
        """Each text as it is to be stored, under the newest key of its subject.

        Raises:
            LedgerError: the keys cannot be had.
        """
        if self.vault is None:
            return [_in_clear(box.value) for box in boxes]
        keys = self.vault.current([self._scopes(box.subject) for box in boxes])
        return [_sealed(box, key) for box, key in zip(boxes, keys, strict=True)]

    def seal_under(self, key: str | None, box: Box) -> Stored:
        """A text under a given key, or under its subject's newest where that one is None.

        Raises:
            LedgerError: the key cannot be had.
        """
        if self.vault is None or key is None:
            return self.seal([box])[0]
        found = self.vault.open([key])
        if key not in found:
            raise LedgerError("artifact.payload_locked", subject=box.owner)
        return _sealed(box, DataKey(key, found[key]))

    def reseal(self, items: Sequence[tuple[Box, Stored]]) -> list[Stored]:
        """Texts that stood in clear, encrypted; their digests stay."""
        assert self.vault is not None
        keys = self.vault.current([self._scopes(box.subject) for box, _ in items])
        return [
            Stored(stored.digest, _body(_old, stored.body.encode(), owner=box.owner, key=key), key.id)
            for (box, stored), key in zip(items, keys, strict=True)
        ]

    def open(self, items: Iterable[tuple[str, Stored]]) -> dict[str, dict[str, Any]]:
        """Digest -> text of (owner, stored), without those whose key was destroyed.

        Raises:
            LedgerError: a text was changed, or its key cannot be had.
        """
        found, locked = {}, []
        for owner, stored in items:
            if _head(stored.body) is None:
                found[stored.digest] = _value(stored.body)
            else:
                locked.append((owner, stored))
        if not locked:
            return found
        if self.vault is None:
            raise LedgerError("artifact.payload_locked", subject=locked[0][0])
        keys = self.vault.open([stored.key for _, stored in locked if stored.key])
        lost = {stored.key for _, stored in locked} - set(keys)
        destroyed = self.vault.destroyed([key for key in lost if key]) if lost else set()
        for owner, stored in locked:
            if stored.key in keys:
                found[stored.digest] = _value(_open(owner, stored, key=keys[stored.key]))
            elif stored.key not in destroyed:
                raise LedgerError("artifact.payload_locked", subject=owner)
        return found

    def holds(self, owner: str, stored: Stored) -> bool:
        """Whether a stored text is the one that was digested.

        Raises:
            LedgerError: it stood in clear once, and the key that it is under now cannot be had.
        """
        # SQLite keeps whatever type it is given: a changed row may hold bytes where text was.
        body: object = stored.body
        if not isinstance(body, str):
            return False
        head = _head(body)
        if head is not None and head[1] != stored.key:
            return False
        if head is None or head[0] == _new:
            return digests.of_bytes(stored.body.encode()) == stored.digest
        keys = self.vault.open([head[1]]) if self.vault is not None else {}
        if head[1] not in keys:
            if self.vault is not None and self.vault.destroyed([head[1]]):
                return True
            raise LedgerError("artifact.payload_locked", subject=owner)
        try:
            return digests.of_bytes(_open(owner, stored, key=keys[head[1]]).encode()) == stored.digest
        except LedgerError:
            return False

    def _made_scopes(self, subject: str) -> tuple[str, ...]:
        parts = subject.split("/")
        return tuple(self.scope("/".join(parts[: end + 1])) for end in range(len(parts)))


def is_sealed(digest: str, body: object, *, key: object) -> bool:
    """Whether a stored text is encrypted under the key that its row names, and has this digest. If not, ask `holds`."""
    return (
        isinstance(body, str)
        and isinstance(key, str)
        and body.startswith(f"{_new}:{key}:")
        and f"sha256:{hashlib.sha256(body.encode()).hexdigest()}" == digest
    )


@functools.lru_cache(_remembered)
def subject_name(*parts: str) -> str:
    """The name of a subject, widest part first: tenant, caller, and the user that the caller named, if any."""
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def _in_clear(value: Mapping[str, Any]) -> Stored:
    body = digests.canonical({"salt": secrets.token_hex(16), "value": value})
    return Stored(digests.of_bytes(body), body.decode(), None)


def _sealed(box: Box, key: DataKey) -> Stored:
    body = _body(_new, digests.canonical({"value": box.value}), owner=box.owner, key=key)
    return Stored(digests.of_bytes(body.encode()), body, key.id)


def _body(form: str, text: bytes, *, owner: str, key: DataKey) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_nonce)
    data = AESGCM(key.secret).encrypt(nonce, text, owner.encode())
    return f"{form}:{key.id}:{base64.b64encode(nonce + data).decode()}"


def _head(body: str) -> tuple[str, str] | None:
    """Form and key id of an encrypted body; None: it stands in clear."""
    form, colon, rest = body.partition(":")
    return (form, rest.partition(":")[0]) if colon and form in (_new, _old) else None


def _open(owner: str, stored: Stored, *, key: bytes) -> str:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        data = base64.b64decode(stored.body.rpartition(":")[2], validate=True)
        return AESGCM(key).decrypt(data[:_nonce], data[_nonce:], owner.encode()).decode()
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise LedgerError("artifact.payload_sealed_otherwise", subject=owner) from error


def _value(body: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(body)["value"]
    return value
