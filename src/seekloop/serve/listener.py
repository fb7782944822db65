"""uvicorn, told to stop in our order: refuse, let requests in flight finish, cancel the rest with a word, close."""

from __future__ import annotations

import asyncio
import gc
import socket

import uvicorn

from seekloop.serve.app import build_app
from seekloop.serve.gateway import Gateway

__all__ = ["Listener"]

_last_words_s = 5
"""How long cancelled requests may take to tell their clients."""
_collect_after = (5_000, 20, 20)
"""Objects made, and younger collections, before each of the three ages is looked through."""
_settle_s = 0.1
"""For requests that are on their way through the socket."""


class Listener(uvicorn.Server):
    """One gateway on sockets that are already bound.

    Args:
        gateway: what answers.
        alone: whether the process is for this gateway only.
    """

    def __init__(self, gateway: Gateway, *, alone: bool = False) -> None:
        self._gateway = gateway
        self._alone = alone
        limit = round(gateway.options.drain_s) + _last_words_s
        super().__init__(
            uvicorn.Config(
                build_app(gateway),
                log_config=None,
                access_log=False,
                proxy_headers=False,
                timeout_graceful_shutdown=limit,
                ssl_certfile=gateway.options.access.tls_cert,
                ssl_keyfile=gateway.options.access.tls_key,
            )
        )

    def stop_soon(self) -> None:
        """Have it finish what is in flight and end."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self._alone:
            # Else the collector reads all that the packages brought again and again, 90 ms in which nobody is answered.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_collect_after)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody new in, read what was sent before, then drain the gateway while connections end."""
        for server in self.servers:
            server.close()
        # A connection whose request has not been read yet looks idle, and would be closed under its client.
        await asyncio.sleep(_settle_s)
        draining = asyncio.create_task(self._gateway.drain())
        await super().shutdown(sockets)
        await draining
