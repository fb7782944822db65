"""How the gateway starts engines: one checkpoint each, by the dials of its options."""

from __future__ import annotations

import asyncio

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.open import open_async
from seekloop.serve.options import GatewayOptions
from seekloop.serve.worker import Opener

__all__ = ["opener"]


def opener(store: Store, options: GatewayOptions) -> Opener:
    """Starts engines of `options.engine` over the checkpoints of `store`."""

    async def start(checkpoint: Checkpoint) -> AsyncBackend:
        # Loading takes seconds, which the event loop must not wait for.
        return await asyncio.to_thread(
            open_async,
            checkpoint,
            store=store,
            engine=options.engine,
            threads=options.threads,
            streams=options.streams,
            context=options.context,
        )

    return start
