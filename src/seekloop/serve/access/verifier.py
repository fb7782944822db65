"""From the text of a key to its holder, off the event loop and bounded; a key that was verified is remembered.

Made-up keys fall at their check digits, before anything slow. What is remembered is a digest of the key under a
random key of this process, and counts only as long as nothing happened to the key in the ledger.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from seekloop.artifact.credentials import Credential
from seekloop.serve.access import secret
from seekloop.serve.access.book import Book
from seekloop.serve.caller import Caller
from seekloop.system.clock import Clock
from seekloop.system.errors import EngineError, UsageError

__all__ = ["Memory", "Verifier"]

_most = 10_000
_waiting_most = 64
_wrong_s = 60.0


@dataclass(frozen=True)
class _Remembered:
    caller: Caller
    credential: Credential | None
    until: float


class Memory:
    """Who presented which text, for a while.

    Args:
        always: text -> caller of what is known from the start and stays known.
        clock: whose monotonic seconds things are forgotten by.
    """

    def __init__(self, always: Mapping[str, Caller], *, clock: Clock) -> None:
        self._secret = secrets.token_bytes(32)
        self._clock = clock
        self._always = {self.digest(text): caller for text, caller in always.items()}
        self._known: dict[bytes, _Remembered] = {}

    def digest(self, text: str) -> bytes:
        """What stands for a text here: nobody outside can choose it, so a plain look-up tells nothing by its time."""
        # Keyed BLAKE2 (RFC 7693): an HMAC of OpenSSL gives up Python's lock, and waits for it longer than it works.
        return hashlib.blake2b(text.encode(), key=self._secret, digest_size=32).digest()

    def caller(self, digest: bytes, *, book: Book | None) -> Caller | None:
        """Who it is; None: not known, not known any more, or `book` has another state of the key.

        Raises:
            LedgerError: the ledger could not be read for so long that nobody knows whether the key still counts.
        """
        always = self._always.get(digest)
        if always is not None:
            return always
        found = self._known.get(digest)
        if found is None or found.until <= self._clock.monotonic():
            return None
        if found.credential is not None:
            if book is None or book.get(found.credential.id) is not found.credential:
                return None
            book.check()
        return found.caller

    def keep(self, digest: bytes, caller: Caller, *, seconds: float, credential: Credential | None = None) -> None:
        """Remember who it is; of too many, the oldest is forgotten."""
        if len(self._known) >= _most:
            del self._known[next(iter(self._known))]
        self._known.pop(digest, None)
        self._known[digest] = _Remembered(caller, credential, self._clock.monotonic() + seconds)


class Verifier:
    """Looks keys up and compares them with argon2id, a few at a time.

    Args:
        book: the ledger's keys.
        clock: for how long wrong keys are remembered as wrong.
        workers: comparisons at the same time.
    """

    def __init__(self, book: Book, *, clock: Clock, workers: int) -> None:
        self._book = book
        self._clock = clock
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="keys")
        self._running: dict[bytes, asyncio.Task[Credential | None]] = {}
        self._wrong: dict[bytes, tuple[Credential, float]] = {}
        self.compared = 0
        """Slow comparisons so far."""

    async def credential(self, key: str, *, digest: bytes) -> Credential:
        """The ledger's key with this text.

        Raises:
            UsageError: nobody's key, or one that was revoked, has expired or was replaced.
            EngineError: too many keys wait to be compared.
            LedgerError: the ledger cannot be read.
        """
        if not secret.genuine(key, self._book.genuine_tag):
            raise UsageError("serve.no_key")
        found = await self._book.find(secret.identity_of(key) or "")
        self._book.check()
        if found is None:
            raise UsageError("serve.no_key")
        _check(found, at=self._book.stamp)
        wrong = self._wrong.get(digest)
        if wrong is not None and wrong[0] is found and wrong[1] > self._clock.monotonic():
            raise UsageError("access.key_replaced", name=found.name)
        task = self._running.get(digest)
        if task is None:
            if len(self._running) >= _waiting_most:
                raise EngineError("access.busy", waiting=len(self._running))
            task = self._running[digest] = asyncio.create_task(self._compare(key, found))
            task.add_done_callback(lambda _: self._running.pop(digest))
        # Whoever presents this key meanwhile waits for the same comparison, and may be cancelled without harm to it.
        right = await asyncio.shield(task)
        if right is not None:
            return right
        # It may have been renewed a moment ago, by another process.
        await self._book.read()
        if self._book.get(found.id) is not found:
            return await self.credential(key, digest=digest)
        self._remember_wrong(digest, found)
        raise UsageError("access.key_replaced", name=found.name)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _compare(self, key: str, credential: Credential) -> Credential | None:
        for digest in credential.digests(self._book.stamp):
            self.compared += 1
            loop = asyncio.get_running_loop()
            if await loop.run_in_executor(self._threads, secret.matches, key, digest):
                return credential
        return None

    def _remember_wrong(self, digest: bytes, credential: Credential) -> None:
        if len(self._wrong) >= _most:
            del self._wrong[next(iter(self._wrong))]
        self._wrong[digest] = (credential, self._clock.monotonic() + _wrong_s)


def _check(credential: Credential, *, at: str) -> None:
    if credential.revoked_at is not None:
        raise UsageError("access.key_revoked", name=credential.name, at=credential.revoked_at)
    if not credential.live(at):
        raise UsageError("access.key_expired", name=credential.name, at=credential.expires_at)
