"""The gateway over real engines: what is served is what was measured."""

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.rows import Message
from seekloop.compress import stage as compress
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.tiny import tiny_base
from seekloop.serve.engines import opener
from seekloop.serve.options import GatewayOptions

QUESTIONS = [f"What is the fee for card number {number}?" for number in range(4)]
OPTIONS = GatewayOptions(engine="torch", threads=1, streams=4, context=256)


def references(world, release):
    """What the release's checkpoint answers outside the gateway, by question."""
    checkpoint = world.ctx.store.open(release.checkpoint, Checkpoint)
    prompts = [
        Prompt(
            ids=world.codec.prompt_ids([Message(role="user", content=q)]), stop_ids=world.codec.stop_ids, max_tokens=8
        )
        for q in QUESTIONS
    ]
    with open_backend(checkpoint, store=world.ctx.store, engine="torch", threads=1, streams=4, context=256) as backend:
        said = {index: world.codec.parse(done.ids).content for index, done in backend.generate(prompts)}
    return {question: said[index] for index, question in enumerate(QUESTIONS)}


@pytest.fixture
def world(toolless_world):
    """One whose tiny models do not all repeat the last token: their embeddings are not tied."""
    return toolless_world


@pytest.fixture
def releases(world):
    """Two releases of random models that differ in their weights alone."""
    family = world.codec.card.name
    return [world.release_of(tiny_base(world.ctx, family=family, seed=seed), max_tokens=8) for seed in (0, 1)]


@pytest.mark.parametrize("cached", [False, True])
def test_the_engine_reads_a_common_beginning_once_where_the_gateway_says_so(ctx, cached):
    form = compress.run(CompressSpec(method=GgufMethod()), CompressInputs(checkpoint=tiny_base(ctx)), ctx=ctx)
    options = GatewayOptions(threads=1, streams=1, context=256, prefix_cache=cached)

    async def opened():
        engine = await opener(ctx.store, options)(form)
        await engine.close()
        return engine

    assert asyncio.run(opened())._config.cache_prompt is cached


def test_while_weights_change_under_load_each_answer_is_the_one_its_label_gives(world, releases):
    expected = {release.id: references(world, release) for release in releases}
    assert expected[releases[0].id] != expected[releases[1].id]
    start = opener(world.ctx.store, OPTIONS)
    with world.serving(releases[0], opener=start, streams=4) as served, ThreadPoolExecutor(6) as pool:
        asked = [(q, pool.submit(served.ask, q)) for q in QUESTIONS * 3]
        world.promote(releases[1])
        asked += [(q, pool.submit(served.ask, q)) for q in QUESTIONS * 3]
        served.wait_for(releases[1])
        asked += [(q, pool.submit(served.ask, q)) for q in QUESTIONS]
        answers = [(q, future.result().json()) for q, future in asked]
    for question, answer in answers:
        text = answer["choices"][0]["message"]["content"]
        assert text == expected[answer["system_fingerprint"]][question]
    assert {answer["system_fingerprint"] for _, answer in answers} == set(expected)


def test_a_streamed_answer_is_the_measured_one(world, releases):
    expected = references(world, releases[0])
    with world.serving(releases[0], opener=opener(world.ctx.store, OPTIONS)) as served:
        for question in QUESTIONS:
            messages = [{"role": "user", "content": question}]
            chunks = served.client.chat.completions.create(model="production", messages=messages, stream=True)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == expected[question]


class Kept:
    """Starts llama.cpp engines, and remembers them so that they can be killed."""

    def __init__(self, world):
        self.start = opener(world.ctx.store, GatewayOptions(engine="llamacpp", threads=1, streams=4))
        self.engines = []

    async def open(self, checkpoint):
        self.engines.append(await self.start(checkpoint))
        return self.engines[-1]

    def kill(self):
        os.kill(self.engines[-1].pid, signal.SIGKILL)


@pytest.fixture
def quantised(world):
    """A release of a small model in eight bits, slow enough to be killed while it talks."""
    base = tiny_base(world.ctx, family=world.codec.card.name, layers=8, hidden=512)
    spec = CompressSpec(method=GgufMethod(precision="q8_0"))
    checkpoint = compress.run(spec, CompressInputs(checkpoint=base), ctx=world.ctx)
    return world.release_of(checkpoint, max_tokens=1500)


def test_an_engine_process_that_is_killed_is_replaced_and_only_its_stream_ends_in_an_error(world, quantised):
    engines = Kept(world)
    messages = [{"role": "user", "content": QUESTIONS[0]}]
    with world.serving(quantised, opener=engines.open) as served, ThreadPoolExecutor(2) as pool:
        expected = served.ask(QUESTIONS[1], max_tokens=8).json()["choices"]
        chunks = served.client.chat.completions.create(model="production", messages=messages, stream=True)
        next(chunk for chunk in chunks if chunk.choices[0].delta.content)
        whole = pool.submit(served.ask, QUESTIONS[2], max_tokens=200)
        engines.kill()
        with pytest.raises(openai.APIError) as error:
            list(chunks)
        assert served.ask(QUESTIONS[1], max_tokens=8).json()["choices"] == expected
        assert whole.result().status_code == 200
    assert error.value.body["code"] == "serve.engine_stopped"
    assert len(engines.engines) == 2
    assert not any(engine.alive() for engine in engines.engines)
    assert sorted(row.finish_reason for row in world.ctx.ledger.answers()) == ["error", "length", "length", "length"]
