"""The connections to one upstream: kept open between requests, and made anew where an old one had gone."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from seekloop.serve.upstream.connection import Broken, Connection
from seekloop.serve.upstream.options import UpstreamOptions

__all__ = ["Connections"]


class Connections:
    """As many as there are requests under way; use it from one event loop.

    Args:
        url: of the endpoint, up to `/v1`.
        headers: sent with every request.
        options: how long is waited.
    """

    def __init__(self, url: str, *, headers: dict[str, str], options: UpstreamOptions) -> None:
        parts = urlsplit(url)
        self._options = options
        self._host = parts.hostname or ""
        secure = parts.scheme == "https"
        self._port = parts.port or (443 if secure else 80)
        self._tls = ssl.create_default_context(cafile=options.certificates) if secure else None
        self._path = parts.path.rstrip("/")
        fixed = {"Host": parts.netloc.rpartition("@")[2], "Accept-Encoding": "identity", **headers}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in fixed.items())
        self._idle: list[Connection] = []

    async def ask(self, path: str, body: bytes) -> Connection:
        """Send a POST of JSON; the connection's `head` has come. Give it back with `done`.

        Raises:
            Broken: nobody answered, on a new connection either.
        """
        request = self._request(path, body)
        while True:
            connection = self._kept() or await self._opened()
            # A kept connection may have been closed under way by an upstream that had not seen the request.
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

    def done(self, connection: Connection) -> None:
        """Keep it for the next request where its answer was read to the end; else the upstream sees it close."""
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
        oldest = asyncio.get_running_loop().time() - self._options.idle_s
        while self._idle:
            connection = self._idle.pop()
            if connection.open_still and connection.used_at >= oldest:
                return connection
            connection.close()
        return None

    async def _opened(self) -> Connection:
        return await Connection.open(
            self._host,
            self._port,
            tls=self._tls,
            connect_s=self._options.connect_s,
            silence_s=self._options.silence_s,
        )

    def _request(self, path: str, body: bytes) -> bytes:
        head = f"POST {self._path}/{path} HTTP/1.1\r\n{self._headers}Content-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body
