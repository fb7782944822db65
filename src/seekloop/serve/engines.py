"""How the gateway starts engines: one checkpoint each, by the dials of its options."""

from __future__ import annotations

import asyncio

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.runtime.endpoint.served import FORM, endpoint_of
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.dials import Dials
from seekloop.runtime.generate.drafting import Draft, draft_by
from seekloop.runtime.generate.open import open_engine
from seekloop.serve.engine_options import DraftOptions
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
        return await asyncio.to_thread(_opened, checkpoint, store=store, options=options)

    return start


def _opened(checkpoint: Checkpoint, *, store: Store, options: GatewayOptions) -> AsyncBackend:
    dials = Dials(
        threads=options.threads,
        streams=options.streams,
        context=options.context,
        prefix_cache=options.prefix_cache,
        sandbox=options.safety.sandbox,
        draft=_draft(checkpoint, store=store, options=options.draft),
    )
    return open_engine(checkpoint, store=store, engine=options.engine, dials=dials)


def _draft(checkpoint: Checkpoint, *, store: Store, options: DraftOptions | None) -> Draft | None:
    if options is None:
        return None
    if options.model is None:
        return Draft(tokens=options.tokens, ngram=options.ngram)
    return draft_by(options.model, checkpoint=checkpoint, store=store, tokens=options.tokens)
