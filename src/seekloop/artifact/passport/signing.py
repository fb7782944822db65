"""The key that signs passports: ed25519, private in one file beside `ledger.key`, every public one kept.

A public key's id is the sha-256 of its 32 bytes, in hex. `passport.key` holds the private key that signs now;
`passport-keys/ID.pem` holds the public key of each that ever did, so that old passports can still be checked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seekloop.artifact.keys import make_secret
from seekloop.artifact.ledger import Ledger
from seekloop.system.errors import LedgerError, UsageError
from seekloop.system.files import write_whole

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["EVENT", "PRIVATE", "PUBLIC", "PublicKeys", "Signer", "open_signer", "public_pem"]

EVENT = "passport.key"
"""Kind of the event that says whose key it is; its subject is the key's id."""
PRIVATE, PUBLIC = "passport.key", "passport-keys"
"""File and folder in a project's state folder."""
_pem = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)


class Signer:
    """Signs with one private key.

    Args:
        key: the private key.
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = _id_of(key.public_key())
        self.public = _pem_of(key.public_key())
        """The public key as PEM."""

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of an ed25519 signature (RFC 8032)."""
        return self._key.sign(message)


class PublicKeys:
    """Public keys by id.

    Args:
        keys: id -> key.
    """

    def __init__(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        self._keys = dict(keys)
        self.ids = frozenset(self._keys)

    @classmethod
    def read(cls, path: Path) -> PublicKeys:
        """The public keys in a PEM file, one after the other, or in the PEM files of a folder.

        Raises:
            UsageError: there is none, or one is no ed25519 key.
        """
        files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
        try:
            text = "".join(file.read_text("ascii") for file in files)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError("passport.no_public_key", path=path) from error
        return cls.of_text(text, where=path)

    @classmethod
    def of_text(cls, text: str, *, where: object = "-") -> PublicKeys:
        """The keys in a text, each as PEM.

        Raises:
            UsageError: there is none, or one is no ed25519 public key.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        found = {}
        for block in _pem.findall(text):
            try:
                key = load_pem_public_key(block.encode())
            except (ValueError, UnsupportedAlgorithm) as error:
                raise UsageError("passport.no_public_key", path=where) from error
            if not isinstance(key, Ed25519PublicKey):
                raise UsageError("passport.no_public_key", path=where)
            found[_id_of(key)] = key
        if not found:
            raise UsageError("passport.no_public_key", path=where)
        return cls(found)

    def holds(self, key_id: str, *, signature: bytes, message: bytes) -> bool:
        """Whether one of these keys signed `message`."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._keys[key_id].verify(signature, message)
        except InvalidSignature:
            return False
        return True


def open_signer(ledger: Ledger, *, actor: str, rotate: bool = False) -> Signer:
    """The signer of a ledger's folder; its key is made where there is none, and the ledger is told of it.

    Args:
        ledger: opened `in_folder`.
        actor: who needs it.
        rotate: make a new key that signs from now on; the old public key stays.

    Raises:
        LedgerError: the ledger has no folder, or the key file holds no key.
        ArtifactError: the disk is full.
    """
    if ledger.folder is None:
        raise LedgerError("passport.no_folder")
    path = ledger.folder / PRIVATE
    before = _read(path).key_id if path.exists() else None
    if before is None or rotate:
        make_secret(path, _new(), replace=rotate)
    signer = _read(path)
    public = ledger.folder / PUBLIC / f"{signer.key_id}.pem"
    if not public.exists():
        public.parent.mkdir(exist_ok=True)
        write_whole(public, signer.public.encode())
    if next(ledger.events(kind=EVENT, subject=signer.key_id), None) is None:
        replaced = before if before != signer.key_id else None
        ledger.note(EVENT, signer.key_id, facts={"public": signer.public, "replaces": replaced}, actor=actor)
    return signer


def public_pem(ledger: Ledger) -> str:
    """Every public key that ever signed here, in the order of the ledger, as PEM texts one after the other."""
    return "".join(str(event.facts["public"]) for event in ledger.events(kind=EVENT))


def _new() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _read(path: Path) -> Signer:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LedgerError("passport.key_unreadable", path=path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerError("passport.key_unreadable", path=path)
    return Signer(key)


def _id_of(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def _pem_of(key: Ed25519PublicKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
