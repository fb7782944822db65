"""How the gateway starts engines: one checkpoint each, by the dials of its options."""

from __future__ import annotations

import asyncio

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.runtime.endpoint.served import FORM, endpoint_of
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.open import open_async
from seekloop.serve.options import GatewayOptions
from seekloop.serve.upstream.engine import Upstream
from seekloop.serve.worker import Opener
from seekloop.system import digests
from seekloop.system.errors import EngineError

__all__ = ["opener"]


def opener(store: Store, options: GatewayOptions) -> Opener:
    """Starts engines of `options.engine` over the checkpoints of `store`."""

    async def start(checkpoint: Checkpoint) -> AsyncBackend:
        if checkpoint.form == FORM and options.engine != "echo":
            return Upstream(endpoint_of(checkpoint, store=store), options=options.upstream)
        if options.upstream.processes > 1:
            raise EngineError("processes.one_engine", id=digests.short(checkpoint.id))
        # Loading takes seconds, which the event loop must not wait for.
        return await asyncio.to_thread(
            open_async,
            checkpoint,
            store=store,
            engine=options.engine,
            threads=options.threads,
            streams=options.streams,
            context=options.context,
            sandbox=options.safety.sandbox,
        )

    return start
