"""uvicorn, told to stop in our order: refuse, let requests in flight finish, cancel the rest with a word, close."""

from __future__ import annotations

import asyncio
import socket

import uvicorn

from seekloop.serve.app import build_app
from seekloop.serve.gateway import Gateway

__all__ = ["Listener"]

_last_words_s = 5
"""How long cancelled requests may take to tell their clients."""


class Listener(uvicorn.Server):
    """One gateway on sockets that are already bound."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        limit = round(gateway.options.drain_s) + _last_words_s
        super().__init__(
            uvicorn.Config(build_app(gateway), log_config=None, access_log=False, timeout_graceful_shutdown=limit)
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the sockets and drain the gateway at the same time."""
        draining = asyncio.create_task(self._gateway.drain())
        await super().shutdown(sockets)
        await draining
