"""Four releases on real engines at once: of 200 mixed requests with a shared beginning, none is answered by another."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.rows import Message
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.tiny import tiny_base
from seekloop.serve.engines import opener
from seekloop.serve.options import GatewayOptions
from seekloop.serve.rollout.desk import Desk
from seekloop.serve.rollout.spec import RolloutSpec

BEGINNING = "A customer of the bank writes to us, and we answer in few words. The customer writes: "
QUESTIONS = [f"{BEGINNING}{end}" for end in ("my card", "my card is gone", "my car", "where is my card", "my card?")]


def made(world, count):
    """Releases of random models with untied embeddings, so that each says something of its own."""
    tiny = (tiny_base(world.ctx, family="deepseek-llm", seed=seed) for seed in range(count))
    return [world.release_of(one, max_tokens=8) for one in tiny]


def alone(world, release):
    """What an engine that holds only this release says to each question."""
    checkpoint = world.ctx.store.open(release.checkpoint, Checkpoint)
    prompts = [
        Prompt(ids=ids, stop_ids=world.codec.stop_ids, max_tokens=8)
        for ids in (world.codec.prompt_ids([Message(role="user", content=text)]) for text in QUESTIONS)
    ]
    with open_backend(checkpoint, store=world.ctx.store, engine="torch", streams=1) as backend:
        said = dict(backend.generate(prompts))
    return {text: world.codec.parse(said[number].ids).content for number, text in enumerate(QUESTIONS)}


def test_of_200_mixed_requests_over_four_releases_none_is_answered_by_another(toolless_world, until):
    world = toolless_world
    releases = [
        world.release_of(tiny_base(world.ctx, family="deepseek-llm", seed=seed), max_tokens=8) for seed in range(4)
    ]
    expected = {release.id: alone(world, release) for release in releases}
    assert len({tuple(said.values()) for said in expected.values()}) == 4
    arms = [{"release": release.id, "share": 0.25} for release in releases[1:]]
    spec = RolloutSpec.parse({"plan": {"mode": "split", "arms": arms}, "unit": "request", "alpha": 1e-9})
    options = GatewayOptions(engine="torch", streams=4)
    random_ = random.Random(7)
    asked = [
        (random_.choice(QUESTIONS), random_.choice([None, *(release.id for release in releases)])) for _ in range(200)
    ]

    def ask(served, text, model):
        answer = served.ask(text, model=model or "production")
        body = answer.json()
        return answer.headers["x-seekloop-release"], body["id"], body["choices"][0]["message"]["content"]

    with (
        world.serving(
            releases[0], opener=opener(world.ctx.store, options), streams=4, queue={"max_requests": 200}
        ) as served,
        ThreadPoolExecutor(8) as pool,
    ):
        Desk(ledger=world.ctx.ledger, store=world.ctx.store).start(spec, alias="production", actor="t", reason="t")
        until(lambda: served.gateway.pool.rollouts.in_effect is not None, seconds=60)
        answers = list(pool.map(lambda one: ask(served, *one), asked))
    rows = {row.id: row for row in world.ctx.ledger.answers()}
    assert len(rows) == 200
    for (text, model), (label, identity, said) in zip(asked, answers, strict=True):
        assert said == expected[label][text]
        assert model in (None, label)
        assert (rows[identity].release, rows[identity].content) == (label, said)
    assert {label for (_, model), (label, _, _) in zip(asked, answers, strict=True) if model is None} == set(expected)


@pytest.mark.parametrize("how", ["rollout", "alias"])
def test_going_back_needs_no_loading_and_gives_the_same_bytes(toolless_world, until, how):
    world = toolless_world
    one, two = (
        world.release_of(tiny_base(world.ctx, family="deepseek-llm", seed=seed), max_tokens=8) for seed in range(2)
    )
    expected = alone(world, one)[QUESTIONS[0]]
    started = []
    start = opener(world.ctx.store, GatewayOptions(engine="torch", streams=2))

    async def counted(checkpoint):
        started.append(checkpoint.id)
        return await start(checkpoint)

    with world.serving(one, opener=counted) as served:
        if how == "alias":
            world.promote(two)
            served.wait_for(two)
            world.promote(one)
            served.wait_for(one)
        else:
            desk = Desk(ledger=world.ctx.ledger, store=world.ctx.store)
            plan = {"mode": "canary", "candidate": two.id, "steps": [{"share": 0.9}]}
            rollout = desk.start(RolloutSpec.parse({"plan": plan}), alias="production", actor="t", reason="t")
            until(lambda: served.gateway.pool.rollouts.in_effect is not None)
            desk.abort(rollout, actor="t", reason="t")
            until(lambda: served.gateway.pool.rollouts.in_effect is None)
        assert served.ask(QUESTIONS[0]).json()["choices"][0]["message"]["content"] == expected
    assert started == [one.checkpoint, two.checkpoint]
