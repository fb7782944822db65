"""One HTTP/1.1 connection: one request at a time, its answer piece by piece as it comes."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

from seekloop.system.lazy import need

if TYPE_CHECKING:
    import ssl

__all__ = ["Broken", "Connection", "Place", "Waits"]

_full = 256 * 1024
"""Bytes that may wait for their reader before the server is made to wait."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a server listens."""

    host: str = ""
    port: int = 0
    tls: ssl.SSLContext | None = None
    """None: it is spoken to in the clear."""
    socket: str = ""
    """Path of a socket in the file system, instead of host and port."""


@dataclass(frozen=True, kw_only=True)
class Waits:
    """How long is waited for a server."""

    connect_s: float
    """Longest wait for a connection."""
    silence_s: float | None = None
    """Longest wait for the next piece of an answer; None: as long as it takes."""
    idle_s: float = 0.0
    """A connection that was not used for so long is not used again."""


class Broken(Exception):
    """The connection ended, said what is no HTTP, or said nothing for too long.

    Args:
        problem: what happened.
        silent: whether not a byte of an answer came: the request may be sent again.
        unreachable: whether there never was a connection.
    """

    def __init__(self, problem: str, *, silent: bool = False, unreachable: bool = False) -> None:
        super().__init__(problem)
        self.silent = silent
        self.unreachable = unreachable


class Connection(asyncio.Protocol):
    """Made by `open`; use it from one task at a time.

    Args:
        silence_s: longest wait for the next piece; None: as long as it takes.
    """

    def __init__(self, *, silence_s: float | None) -> None:
        self.served = 0
        """Requests that were answered on it."""
        self.used_at = 0.0
        """When it was last free, by the loop's clock."""
        self._silence_s = silence_s
        self._loop = asyncio.get_running_loop()
        self._parser = need("httptools", extra="serve").HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._waiter: asyncio.Future[None] | None = None
        self._status = 0
        self._headers: dict[str, str] = {}
        self._heard = self._whole = self._kept = self._ended = self._paused = False
        self._problem: str | None = None

    @classmethod
    async def open(cls, place: Place, waits: Waits) -> Self:
        """Connect.

        Raises:
            Broken: nobody listens there, or nobody answered in time.
        """
        loop, make = asyncio.get_running_loop(), functools.partial(cls, silence_s=waits.silence_s)
        try:
            async with asyncio.timeout(waits.connect_s):
                if place.socket:
                    _, made = await loop.create_unix_connection(make, place.socket)
                else:
                    _, made = await loop.create_connection(make, place.host, place.port, ssl=place.tls)
        except (OSError, TimeoutError) as error:
            raise Broken(f"{type(error).__name__} {error}".strip(), unreachable=True) from error
        return made

    @property
    def reusable(self) -> bool:
        """Whether another request can be sent: the last answer is whole, and both sides keep the connection."""
        return self._whole and not self._ended and self._kept

    @property
    def open_still(self) -> bool:
        """Whether the server has not closed it."""
        return not self._ended

    def send(self, request: bytes) -> None:
        """Send a whole request; the answer before it has been read."""
        assert self._transport is not None
        self._status, self._headers = 0, {}
        self._heard = self._whole = False
        self._transport.write(request)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers (lower case) of the answer.

        Raises:
            Broken: none came.
        """
        while not self._status:
            await self._more()
        return self._status, self._headers

    async def piece(self) -> bytes:
        """The next bytes of the body; empty at its end.

        Raises:
            Broken: the end did not come.
        """
        while not self._pieces:
            if self._whole:
                return b""
            await self._more()
        taken = b"".join(self._pieces) if len(self._pieces) > 1 else self._pieces[0]
        self._pieces.clear()
        self._held = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return taken

    async def rest(self) -> bytes:
        """All of the body that is still to come.

        Raises:
            Broken: the end did not come.
        """
        pieces = []
        while piece := await self.piece():
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """End it at once: the server sees that nobody waits for the rest."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        """Wait until something came."""
        if self._ended:
            raise Broken(self._problem or "the connection was closed", silent=not self._heard)
        self._waiter = self._loop.create_future()
        late = None if self._silence_s is None else self._loop.call_later(self._silence_s, self._too_late)
        try:
            await self._waiter
        finally:
            if late is not None:
                late.cancel()
            self._waiter = None

    def _too_late(self) -> None:
        self._problem = f"nothing came for {self._silence_s:g} s"
        # What was silent may be working: asking again would make it work twice.
        self._heard = True
        self.close()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- what the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        # Not by isinstance: uvloop's transports are of no class of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._heard = True
        try:
            self._parser.feed_data(data)
        except need("httptools", extra="serve").HttpParserError as error:
            self._problem = f"that is no HTTP: {error}"
            self.close()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed; a body without a length ends with it."""
        self._ended = True
        until_close = not {"content-length", "transfer-encoding"} & self._headers.keys()
        if exc is None and self._status and until_close and self._problem is None:
            self._whole = True
        self._wake()

    # -- what the parser tells

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """All of them came."""
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status
        else:
            self._headers = {}

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._pieces.append(body)
        self._held += len(body)
        if self._held > _full and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is whole, unless it was a word in between (1xx)."""
        if self._status:
            self._whole = True
            self._kept = bool(self._parser.should_keep_alive())
            self.served += 1
