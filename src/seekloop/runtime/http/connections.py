"""The connections to one server: kept open between requests, and made anew where an old one had gone."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from seekloop.runtime.http.connection import Broken, Connection, Place, Waits

__all__ = ["Connections"]


class Connections:
    """As many as there are requests under way; use it from one event loop.

    Args:
        url: what all paths begin with.
        headers: sent with every request.
        waits: how long is waited.
        certificates: file of the authorities that the server's certificate is checked against; None: the system's.
        socket: path of the socket that it listens on, instead of the host and port in `url`.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        waits: Waits,
        certificates: str | None = None,
        socket: str = "",
    ) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        self._waits = waits
        self._place = Place(
            host=parts.hostname or "",
            port=parts.port or (443 if secure else 80),
            tls=ssl.create_default_context(cafile=certificates) if secure else None,
            socket=socket,
        )
        self._path = parts.path.rstrip("/")
        fixed = {"Host": parts.netloc.rpartition("@")[2], "Accept-Encoding": "identity", **headers}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in fixed.items())
        self._idle: list[Connection] = []

    async def ask(self, path: str, body: bytes | None = None) -> Connection:
        """Send a POST of JSON, or a GET without one; the connection's `head` has come. Give it back with `done`.

        Raises:
            Broken: nobody answered, on a new connection either.
        """
        request = self._request(path, body)
        while True:
            connection = self._kept() or await Connection.open(self._place, self._waits)
            # A kept connection may have been closed under way by a server that had not seen the request.
            known = connection.served > 0
            connection.send(request)
            try:
                await connection.head()
            except Broken as error:
                connection.close()
                if not (known and error.silent):
                    raise
            except BaseException:
                connection.close()
                raise
            else:
                return connection

    async def whole(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of an answer, when it is complete.

        Raises:
            Broken: nobody answered, or the end did not come.
        """
        connection = await self.ask(path, body)
        try:
            status, _ = await connection.head()
            return status, await connection.rest()
        finally:
            self.done(connection)

    def done(self, connection: Connection) -> None:
        """Keep it for the next request where its answer was read to the end; else the server sees it close."""
        if connection.reusable:
            connection.used_at = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close those that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> Connection | None:
        """The one used last, so that those that are too many grow old; None: none is young enough."""
        oldest = asyncio.get_running_loop().time() - self._waits.idle_s
        while self._idle:
            connection = self._idle.pop()
            if connection.open_still and connection.used_at >= oldest:
                return connection
            connection.close()
        return None

    def _request(self, path: str, body: bytes | None) -> bytes:
        if body is None:
            return f"GET {self._path}/{path} HTTP/1.1\r\n{self._headers}\r\n".encode("latin-1")
        head = f"POST {self._path}/{path} HTTP/1.1\r\n{self._headers}Content-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body
