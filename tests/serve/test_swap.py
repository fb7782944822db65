"""Releases change under load, and every answer is labelled with the release that made it."""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from seekloop.serve.options import GatewayOptions
from seekloop.serve.pool import Pool

QUESTION = "Who are you?"


def named(world, name):
    return world.release(name, {QUESTION: f"I am release {name}, and this is the whole of my answer."})


def ask(served, *, stream):
    """(label in the header, labels in body or chunks, text)"""
    messages = [{"role": "user", "content": QUESTION}]
    if not stream:
        raw = served.client.chat.completions.with_raw_response.create(model="production", messages=messages)
        answer = raw.parse()
        return raw.headers["x-seekloop-release"], {answer.system_fingerprint}, answer.choices[0].message.content
    raw = served.client.chat.completions.with_raw_response.create(model="production", messages=messages, stream=True)
    chunks = list(raw.parse())
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    return raw.headers["x-seekloop-release"], {chunk.system_fingerprint for chunk in chunks}, text


def test_under_mixed_load_and_two_moves_nothing_fails_and_no_answer_has_a_wrong_label(world):
    one, two = named(world, "one"), named(world, "two")
    name = {one.id: "one", two.id: "two"}
    world.pace_s = 0.002
    with world.serving(one, keep_previous=False) as served, ThreadPoolExecutor(8) as pool:
        streams = random.Random(7).choices([True, False], k=40)
        asked = [pool.submit(ask, served, stream=stream) for stream in streams[:15]]
        world.promote(two)
        asked += [pool.submit(ask, served, stream=stream) for stream in streams[15:30]]
        served.wait_for(two)
        between = ask(served, stream=streams[30])
        world.promote(one)
        asked += [pool.submit(ask, served, stream=stream) for stream in streams[31:]]
        answers = [between, *(future.result() for future in asked)]
        served.wait_for(one)
    for header, labels, text in answers:
        assert labels == {header}
        assert text == f"I am release {name[header]}, and this is the whole of my answer."
    assert name[between[0]] == "two"
    rows = world.ctx.ledger.answers()
    assert len(rows) == 40
    assert all(f"release {name[row.release]}," in row.content for row in rows)


def test_what_is_in_flight_finishes_on_the_release_that_began_it(world):
    one, two = named(world, "one"), named(world, "two")
    world.pace_s = 0.02
    with world.serving(one, keep_previous=False) as served:
        messages = [{"role": "user", "content": QUESTION}]
        chunks = served.client.chat.completions.create(model="production", messages=messages, stream=True)
        first = next(chunks)
        world.promote(two)
        served.wait_for(two)
        assert ask(served, stream=False)[0] == two.id
        rest = list(chunks)
        assert {chunk.system_fingerprint for chunk in [first, *rest]} == {one.id}
        assert "release one" in "".join(chunk.choices[0].delta.content or "" for chunk in rest)


def test_the_previous_release_stays_warm_so_that_a_rollback_starts_no_engine(world):
    one, two = named(world, "one"), named(world, "two")
    with world.serving(one) as served:
        world.promote(two)
        served.wait_for(two)
        assert served.http.get("/v1/releases").json()["previous"]["release"] == one.id
        world.promote(one)
        served.wait_for(one)
        assert len(world.opened) == 2
        assert ask(served, stream=False)[2].startswith("I am release one,")


def test_an_engine_is_closed_when_nobody_holds_it_and_it_is_not_kept(world, until):
    one, two = named(world, "one"), named(world, "two")
    with world.serving(one, keep_previous=False) as served:
        world.promote(two)
        served.wait_for(two)
        until(lambda: not world.opened[0].alive())
        assert world.opened[1].alive()


def test_no_engine_is_left_when_the_gateway_is_gone(world):
    one, two = named(world, "one"), named(world, "two")
    with world.serving(one) as served:
        world.promote(two)
        served.wait_for(two)
    assert [engine.alive() for engine in world.opened] == [False, False]


def test_a_checkpoint_with_a_changed_byte_is_not_served_and_the_old_release_goes_on(world, until):
    one, two = named(world, "one"), named(world, "two")
    world.ctx.store.path(two.checkpoint, "model.safetensors").write_bytes(b"evil")
    with world.serving(one) as served:
        world.promote(two)
        until(lambda: served.http.get("/v1/releases").json()["problem"])
        assert "model.safetensors" in served.http.get("/v1/releases").json()["problem"]
        assert ask(served, stream=False)[0] == one.id
        world.promote(one)
        until(lambda: not served.http.get("/v1/releases").json()["problem"])


def test_something_that_is_no_release_is_not_served(world, until):
    with world.serving() as served:
        checkpoint = world.checkpoint("bare")
        world.ctx.ledger.move_alias("production", checkpoint.id, expected_version=0, actor="test", reason="test")
        until(lambda: served.http.get("/v1/releases").json()["problem"])
        assert served.http.get("/readyz").status_code == 503


def test_the_history_of_the_alias_is_told_oldest_first(world):
    one, two = named(world, "one"), named(world, "two")
    with world.serving(one) as served:
        world.promote(two)
        served.wait_for(two)
        told = served.http.get("/v1/releases").json()
    assert [(move["version"], move["target"]) for move in told["history"]] == [(1, one.id), (2, two.id)]
    assert (told["alias"], told["version"], told["serving"]["release"]) == ("production", 2, two.id)
    assert told["serving"]["engine"] == "echo"


def test_follow_returns_when_the_move_is_in_effect(world):
    one, two = named(world, "one"), named(world, "two")

    async def scenario():
        options = GatewayOptions(poll_s=0.01)
        pool = Pool(store=world.ctx.store, ledger=world.ctx.ledger, opener=world.open, options=options)
        pool.start()
        try:
            await asyncio.wait_for(pool.follow(world.promote(one)), 20)
            first = pool.serving.release.id
            await asyncio.wait_for(pool.follow(world.promote(two)), 20)
            return first, pool.serving.release.id
        finally:
            await pool.close()

    assert asyncio.run(scenario()) == (one.id, two.id)


@pytest.mark.parametrize("keep", [True, False])
def test_of_moves_that_come_quickly_the_last_one_counts(world, keep):
    releases = [named(world, str(number)) for number in range(5)]
    with world.serving(releases[0], keep_previous=keep) as served:
        for release in releases[1:]:
            world.promote(release)
        served.wait_for(releases[-1])
        assert ask(served, stream=True)[2].startswith("I am release 4,")
