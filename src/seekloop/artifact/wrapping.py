"""Wraps the keys that texts are encrypted under: with a key in a file, or with a command in front of a key service."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from seekloop.artifact.keys import make_key, read_key
from seekloop.system.errors import LedgerError
from seekloop.system.files import sync_folder

__all__ = ["KeyCommand", "KeyFile", "Wrapper"]

_nonce, _shown = 12, 16
_patience_s = 30.0


class Wrapper(Protocol):
    """Encrypts one key under another that is kept elsewhere."""

    def prepare(self) -> None:
        """Make the other key where there is none; called only while nothing is wrapped under it."""

    def prepare_next(self) -> Path | None:
        """Make the next key and use it for nothing yet but what `begin` begins; its file, where it has one.

        Raises:
            LedgerError: it cannot be made.
        """

    def begin(self, *, shared: bool) -> str:
        """Have a next key, under which `wrap` wraps from now on; what events call it. Again is nothing new.

        Args:
            shared: others wrap under the same key, so that the next one must have been given to them before.

        Raises:
            LedgerError: it cannot be made, or was not given to the others.
        """

    def settle(self) -> None:
        """Put the next key in the place of the one before: nothing is wrapped under that one any more.

        Raises:
            LedgerError: it cannot be.
        """

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
        self.next_path = path.with_name(f"{path.name}.next")
        """Where the key lies that takes its place."""

    def prepare(self) -> None:
        """Put a random key there unless there is one."""
        make_key(self._path)

    def prepare_next(self) -> Path:
        """Put a random key beside the one that is used, unless there is one."""
        self._key()  # without it nothing could be wrapped anew
        with _written(self.next_path):
            make_key(self.next_path)
        return self.next_path

    def begin(self, *, shared: bool) -> str:
        """The beginning of the next key's digest; the key is made here where nobody else needs it."""
        if shared and not self.next_path.exists():
            raise LedgerError("rotation.unprepared", path=self.next_path)
        self.prepare_next()
        return hashlib.sha256(read_key(self.next_path)).hexdigest()[:_shown]

    def settle(self) -> None:
        """Rename the file; the key before it is gone."""
        with _written(self._path), contextlib.suppress(FileNotFoundError):
            self.next_path.replace(self._path)
            sync_folder(self._path.parent)

    def wrap(self, key: bytes, *, name: str) -> str:
        """`key` in base64, nonce first."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_nonce)
        sealed = AESGCM(self._next() or self._key()).encrypt(nonce, key, name.encode())
        return base64.b64encode(nonce + sealed).decode()

    def unwrap(self, wrapped: str, *, name: str) -> bytes:
        """The key that was wrapped.

        Raises:
            LedgerError: the file is gone, or holds another key.
        """
        try:
            return _unwrapped(wrapped, self._key(), name=name)
        except LedgerError as error:
            after = self._next()
            if error.code != "artifact.payload_key_wrong" or after is None:
                raise LedgerError(error.code, path=self._path) from error
        try:
            return _unwrapped(wrapped, after, name=name)
        except LedgerError as error:
            raise LedgerError(error.code, path=self.next_path) from error

    def _next(self) -> bytes | None:
        """The key that takes its place; None: none does."""
        try:
            return read_key(self.next_path)
        except LedgerError as error:
            if error.code != "artifact.key_missing":
                raise
            return None

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

    def prepare_next(self) -> None:
        """Nothing: the service makes its keys."""

    def begin(self, *, shared: bool) -> str:
        """Nothing: the service is asked to wrap again, and takes its newest key; each time counts as a new one."""
        del shared
        return secrets.token_hex(_shown // 2)

    def settle(self) -> None:
        """Nothing: old keys of the service are retired there."""

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


def _unwrapped(wrapped: str, key: bytes, *, name: str) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        data = base64.b64decode(wrapped, validate=True)
        return AESGCM(key).decrypt(data[:_nonce], data[_nonce:], name.encode())
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise LedgerError("artifact.payload_key_wrong", path=name) from error


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError("rotation.not_writable", path=path, problem=error.strerror) from error
