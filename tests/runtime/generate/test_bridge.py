from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from seekloop.runtime.generate.backend import Prompt, Token
from seekloop.runtime.generate.bridge import Awaited, Blocking
from seekloop.runtime.generate.echo import EchoBackend
from seekloop.system.errors import EngineError

PROMPT = Prompt(ids=(1, 2, 3), stop_ids=frozenset())
ENDLESS = {(1, 2, 3): tuple(range(100_000))}


class Refusing(EchoBackend):
    """Breaks after its second token, as an engine that dies does."""

    def stream(self, prompt):
        yield Token(1)
        yield Token(2)
        raise EngineError("runtime.engine_refused", engine="fake", problem="it died")


async def collected(backend, prompt=PROMPT):
    return [token async for token in backend.stream(prompt)]


def test_an_awaited_backend_streams_the_same_tokens():
    assert asyncio.run(collected(Awaited(EchoBackend(), streams=1))) == list(EchoBackend().stream(PROMPT))


def test_streams_of_an_awaited_backend_run_side_by_side():
    async def both():
        backend = Awaited(EchoBackend(ENDLESS, pace_s=0.01), streams=2)
        streams = [backend.stream(Prompt(ids=(1, 2, 3), stop_ids=frozenset(), max_tokens=10**6)) for _ in range(2)]
        first = [await anext(stream) for stream in (*streams, *streams)]
        for stream in streams:
            await stream.aclose()
        await backend.close()
        return first

    assert [token.id for token in asyncio.run(both())] == [0, 0, 1, 1]


def test_a_closed_stream_gives_its_thread_back():
    async def start_and_close():
        backend = Awaited(EchoBackend(ENDLESS, pace_s=0.001), streams=1)
        endless = backend.stream(Prompt(ids=(1, 2, 3), stop_ids=frozenset(), max_tokens=10**6))
        await anext(endless)
        await endless.aclose()
        return await collected(backend, Prompt(ids=(5,), stop_ids=frozenset()))

    assert [token.id for token in asyncio.run(start_and_close())] == [5, None]


def test_an_error_of_an_awaited_backend_comes_after_its_tokens():
    async def consume():
        got = []
        with pytest.raises(EngineError) as caught:
            async for token in Awaited(Refusing(), streams=1).stream(PROMPT):
                got.append(token.id)
        return got, caught.value.facts["problem"]

    assert asyncio.run(consume()) == ([1, 2], "it died")


def test_a_blocking_backend_answers_every_prompt_once():
    prompts = [Prompt(ids=(index,), stop_ids=frozenset()) for index in range(20)]
    with Blocking(Awaited(EchoBackend(), streams=3), streams=3) as backend:
        answers = list(backend.generate(prompts))
    assert sorted((index, answer.ids) for index, answer in answers) == [(index, (index,)) for index in range(20)]


def test_an_error_of_a_blocking_backend_is_the_backends_own():
    with Blocking(Awaited(Refusing(), streams=2), streams=2) as backend, pytest.raises(EngineError) as caught:
        list(backend.generate([PROMPT, PROMPT]))
    assert caught.value.code == "runtime.engine_refused"


def test_a_blocking_backend_that_is_closed_leaves_no_thread():
    before = set(threading.enumerate())
    backend = Blocking(Awaited(EchoBackend(ENDLESS, pace_s=0.001), streams=1), streams=1)
    with contextlib.closing(backend.stream(Prompt(ids=(1, 2, 3), stop_ids=frozenset(), max_tokens=10**6))) as tokens:
        assert next(tokens).id == 0
    backend.close()
    backend.close()
    assert set(threading.enumerate()) <= before
