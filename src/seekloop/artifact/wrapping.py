"""Wraps the keys that texts are encrypted under: with a key in a file, or with a command in front of a key service."""

from __future__ import annotations

import base64
import binascii
import secrets
import shlex
import subprocess
from pathlib import Path
from typing import Protocol

from seekloop.artifact.keys import make_key, read_key
from seekloop.system.errors import LedgerError

__all__ = ["KeyCommand", "KeyFile", "Wrapper"]

_nonce = 12
_patience_s = 30.0


class Wrapper(Protocol):
    """Encrypts one key under another that is kept elsewhere."""

    def prepare(self) -> None:
        """Make the other key where there is none; called only while nothing is wrapped under it."""

    def wrap(self, key: bytes, *, name: str) -> str:
        """`key`, encrypted so that it opens under this name only.

        Raises:
            LedgerError: the other key cannot be had.
        """

    def unwrap(self, wrapped: str, *, name: str) -> bytes:
        """The key that was wrapped under this name.

        Raises:
            LedgerError: the other key cannot be had, or it is not the one that this was wrapped with.
        """


class KeyFile:
    """AES-256-GCM under the 32 bytes of a file that only its owner reads.

    Args:
        path: the file; read when it is first needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Put a random key there unless there is one."""
        make_key(self._path)

    def wrap(self, key: bytes, *, name: str) -> str:
        """`key` in base64, nonce first."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_nonce)
        sealed = AESGCM(self._key()).encrypt(nonce, key, name.encode())
        return base64.b64encode(nonce + sealed).decode()

    def unwrap(self, wrapped: str, *, name: str) -> bytes:
        """The key that was wrapped.

        Raises:
            LedgerError: the file is gone, or holds another key.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            data = base64.b64decode(wrapped, validate=True)
            return AESGCM(self._key()).decrypt(data[:_nonce], data[_nonce:], name.encode())
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise LedgerError("artifact.payload_key_wrong", path=self._path) from error

    def _key(self) -> bytes:
        if not self._path.exists():
            raise LedgerError("artifact.payload_key_missing", path=self._path)
        return read_key(self._path)


class KeyCommand:
    """A program in front of a key service: `PROGRAM wrap NAME` and `PROGRAM unwrap NAME`.

    It reads hex or text on standard input, writes what it made as one line on standard output, and ends with 0.

    Args:
        command: the program with its arguments, as a shell would split them.
    """

    def __init__(self, command: str) -> None:
        self._command = shlex.split(command)

    def prepare(self) -> None:
        """Nothing: the service has its key."""

    def wrap(self, key: bytes, *, name: str) -> str:
        """What the program made of the key in hex."""
        return self._run("wrap", key.hex(), name=name)

    def unwrap(self, wrapped: str, *, name: str) -> bytes:
        """The key that the program gave back in hex.

        Raises:
            LedgerError: it failed, or gave back something else.
        """
        told = self._run("unwrap", wrapped, name=name)
        try:
            return bytes.fromhex(told)
        except ValueError as error:
            raise LedgerError("artifact.key_command", command=self._command[0], reason="no key in hex") from error

    def _run(self, verb: str, text: str, *, name: str) -> str:
        command = [*self._command, verb, name]
        try:
            done = subprocess.run(
                command, input=text + "\n", capture_output=True, text=True, timeout=_patience_s, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            # Its words are not repeated: they may hold what it was given.
            reason = type(error).__name__
            raise LedgerError("artifact.key_command", command=self._command[0], reason=reason) from error
        return done.stdout.strip()
