"""How the gateway starts engines: one checkpoint each, by the dials of its options."""

from __future__ import annotations

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.serve.options import GatewayOptions
from seekloop.serve.worker import Opener

__all__ = ["opener"]


def opener(store: Store, options: GatewayOptions) -> Opener:
    """Starts engines of `options.engine` over the checkpoints of `store`."""

    async def start(checkpoint: Checkpoint) -> AsyncBackend:
        from seekloop.runtime.generate.open import open_async

        return await open_async(
            checkpoint,
            store=store,
            engine=options.engine,
            threads=options.threads,
            streams=options.streams,
            context=options.context,
        )

    return start
