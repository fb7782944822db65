"""Bearer keys: the project's own, in a file that only its owner can read; those of the ledger; an issuer's tokens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from seekloop.artifact.keys import make_key
from seekloop.artifact.ledger import Ledger
from seekloop.serve.access.book import Book
from seekloop.serve.access.issue import caller_of
from seekloop.serve.access.oidc import Issuer, looks_like_token
from seekloop.serve.access.options import AccessOptions
from seekloop.serve.access.verifier import Memory, Verifier
from seekloop.serve.caller import Caller, Role
from seekloop.system.clock import Clock, SystemClock
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
    """Who may call. Used from one event loop.

    Args:
        keys: key -> whoever holds it, known from the start.
        ledger: whose keys are taken, too; None: no others.
        options: how long keys are remembered, how many are compared at the same time, who else issues identities.
        clock: tells what has expired.
    """

    def __init__(
        self,
        keys: Mapping[str, Caller],
        *,
        ledger: Ledger | None = None,
        options: AccessOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._options = options or AccessOptions()
        self._clock: Clock = clock or SystemClock()
        self._memory = Memory(keys, clock=self._clock)
        self._book = Book(ledger, clock=self._clock) if ledger else None
        workers = self._options.verifiers
        self._verifier = Verifier(self._book, clock=self._clock, workers=workers) if self._book else None
        self._issuer = Issuer(self._options.oidc, clock=self._clock) if self._options.oidc else None
        self._task: asyncio.Task[None] | None = None
        self._logger = logging.getLogger("seekloop.serve")

    @classmethod
    def of_project(cls, folder: Path, *, ledger: Ledger, options: AccessOptions) -> Self:
        """The project's own key, whose caller is called `local` and may do everything, and the keys of its ledger.

        Raises:
            UsageError: as for `local_key`, or the issuer cannot be one.
            MissingPackage: an issuer is named, and pyjwt is not installed.
        """
        return cls({local_key(folder): Caller(name="local", role=Role.ADMIN)}, ledger=ledger, options=options)

    async def start(self) -> None:
        """Read the ledger's keys, and begin to follow them.

        Raises:
            LedgerError: they cannot be read.
        """
        if self._book is not None:
            await self._book.read()
            self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._verifier is not None:
            self._verifier.close()

    def known(self, authorization: str) -> Caller | None:
        """The caller of an `Authorization: Bearer KEY` header, where the key was seen before; takes microseconds."""
        key = _key(authorization)
        return self._memory.caller(self._memory.digest(key), book=self._book) if key else None

    async def identify(self, authorization: str) -> Caller:
        """The caller of an `Authorization: Bearer KEY` header.

        Raises:
            UsageError: there is none, or it is nobody's, was revoked, or has expired.
            EngineError: too many keys wait to be compared, or an issuer's keys cannot be fetched.
            LedgerError: the ledger's keys cannot be read.
        """
        key = _key(authorization)
        if not key:
            raise UsageError("serve.no_key")
        digest = self._memory.digest(key)
        caller = self._memory.caller(digest, book=self._book)
        if caller is not None:
            return caller
        remember_s = self._options.remember_s
        if self._issuer is not None and looks_like_token(key):
            caller, expires = await self._issuer.caller(key)
            lasts = expires - self._clock.now().timestamp()
            self._memory.keep(digest, caller, seconds=min(remember_s, lasts))
            return caller
        if self._verifier is None or self._book is None:
            raise UsageError("serve.no_key")
        credential = await self._verifier.credential(key, digest=digest)
        caller = caller_of(credential)
        lasts = min(remember_s, self._book.lasts(credential))
        self._memory.keep(digest, caller, seconds=lasts, credential=credential)
        return caller

    @property
    def compared(self) -> int:
        """Slow comparisons so far."""
        return self._verifier.compared if self._verifier else 0

    async def refresh(self) -> None:
        """Read what happened to keys now, not only at the next poll.

        Raises:
            LedgerError: they cannot be read.
        """
        if self._book is not None:
            await self._book.read()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._options.poll_s)
            (error,) = await asyncio.gather(self.refresh(), return_exceptions=True)
            if error is not None:
                self._logger.error("the ledger's keys cannot be read", exc_info=error)


def _key(authorization: str) -> str:
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
