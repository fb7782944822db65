"""Copies of an erased person's answers leave the Redis server that the project's gateways share, now or later."""

from __future__ import annotations

import asyncio

import pytest

from bench.learn_erase import plant
from seekloop.app.erasure import Asked
from seekloop.app.verbs import erasure as verbs
from seekloop.artifact.context import RunContext
from seekloop.loop.erasure.erasing import DONE, erase, plan
from seekloop.loop.erasure.target import Target
from seekloop.serve.cache.kept import Kept
from seekloop.serve.cache.options import CacheOptions
from seekloop.serve.cache.redis import RedisShelf
from seekloop.serve.cache.shared import SharedCache
from tests.redis_server import redis_server

NOBODY = "redis://:secret@127.0.0.1:1/0"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as address:
        yield address


@pytest.fixture
def room(tmp_path):
    with RunContext.in_folder(tmp_path) as ctx:
        yield ctx


@pytest.fixture
def planted(room, url):
    """Six people, of whom two have an answer on the server, each of them under two keys."""
    found = plant(room, people=6, rows=90, seed=5)
    kept = {number: min(found.answers[number]) for number in (0, 1)}

    async def put():
        shelf = RedisShelf(url, ttl_s=600.0, timeout_s=5.0)
        await shelf.clear()
        for answer in kept.values():
            for key in ("a", "b"):
                await shelf.put(f"{answer} {key}", _kept(answer))
        await shelf.close()

    asyncio.run(put())
    return found


def _kept(answer):
    return Kept(
        answer=answer,
        tenant="local",
        release="r",
        ids=(1,),
        content="x",
        reasoning=None,
        tool_calls=(),
        finish_reason="stop",
        written="x",
        prompt_tokens=1,
        completion_tokens=1,
        at=0.0,
    )


def person(planted, number=0):
    return Target(subjects=(planted.ids[number],))


def cache_at(url):
    return SharedCache(CacheOptions(backend="redis", url=url))


def test_copies_on_the_server_go_and_those_of_others_stay(room, planted, url):
    cache = cache_at(url)
    assert plan(person(planted), ctx=room, cache=cache).found.cached == 2
    assert "away" not in erase(person(planted), reason="asked", ctx=room, cache=cache).facts
    assert [cache.count(planted.answers[number]) for number in (0, 1)] == [0, 2]


def test_a_server_that_is_away_keeps_nobody_from_being_erased_and_is_cleaned_by_the_same_again(room, planted, url):
    done = erase(person(planted), reason="asked", ctx=room, cache=cache_at(NOBODY))
    assert (done.facts["left"], done.facts["away"]) == (0, "redis 127.0.0.1:1/0")
    assert len(list(room.ledger.events(kind=DONE))) == 1
    again = erase(person(planted), reason="asked", ctx=room, cache=cache_at(url))
    assert (again.again, again.facts["left"]) == (False, 0)
    assert cache_at(url).count(planted.answers[0]) == 0
    assert erase(person(planted), reason="asked", ctx=room, cache=cache_at(url)).again


@pytest.mark.parametrize("away", [False, True])
def test_the_verb_takes_the_server_from_the_project_and_says_where_it_was_away(room, planted, url, away, capsys):
    address = NOBODY if away else url
    yaml = f"domain: bank support\ngateway:\n  cache: {{backend: redis, url: '{address}'}}\n"
    (room.root / "seekloop.yaml").write_text(yaml, "utf-8")
    verbs.erase(given=Asked(subject=[planted.ids[0]]), plan=False, reason="asked", folder=room.root, as_json=False)
    said = capsys.readouterr().out
    assert (verbs.AWAY.format(cache="redis 127.0.0.1:1/0") in said) == away
    assert "secret" not in said
    assert cache_at(url).count(planted.answers[0]) == (2 if away else 0)


def test_a_project_whose_cache_is_on_no_server_has_no_shared_one():
    assert SharedCache.of(CacheOptions(backend="sqlite")) is None
