"""An engine that is replaced takes its waiting work along: that is its failure, not the client's."""

import asyncio

import pytest

from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.bridge import Awaited
from seekloop.runtime.generate.echo import EchoBackend
from seekloop.serve.options import GatewayOptions
from seekloop.serve.worker import Worker
from seekloop.system.errors import EngineError


def test_an_engine_that_is_closed_under_a_waiting_request_is_no_cancellation(world):
    release = world.release("one")

    async def one_stream(checkpoint):
        return Awaited(EchoBackend(pace_s=0.02), streams=1)

    async def scenario():
        worker = await Worker.start(release.id, store=world.ctx.store, opener=one_stream, options=GatewayOptions())
        prompt = Prompt(ids=tuple(range(9)), stop_ids=worker.codec.stop_ids)
        begun = asyncio.Event()

        async def listen():
            async for _ in worker.stream(prompt):
                begun.set()

        first = asyncio.create_task(listen())
        await begun.wait()
        waiting = asyncio.create_task(listen())
        await asyncio.sleep(0)
        await worker.close()
        with pytest.raises(EngineError) as stopped:
            await waiting
        assert stopped.value.code == "serve.engine_stopped"
        await asyncio.gather(first, return_exceptions=True)

    asyncio.run(scenario())
