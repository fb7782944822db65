"""Looks without a gateway: who may have whose answer, who waits for whom, and what erasures leave."""

import asyncio
import contextlib
import dataclasses
import time

import pytest

from seekloop.artifact.ledger import Event
from seekloop.runtime.generate.backend import Prompt
from seekloop.serve.cache.answers import Asked, ResponseCache
from seekloop.serve.cache.options import CacheOptions
from seekloop.serve.caller import Caller
from seekloop.serve.reply import Order
from seekloop.system.clock import SystemClock

PROMPT = Prompt(ids=(1, 2), stop_ids=frozenset())
ORDER = Order(caller=Caller(name="ann"), messages=[], prompt=PROMPT, stops=(), stream=False, asked_at=0.0)
ASKED = Asked(order=ORDER, tenant="a", release="r1", messages=(), repeatable=True)


class Told:
    """A ledger that says what it is told to say."""

    def __init__(self):
        self.said = []

    def add(self, kind, subject, *, at):
        moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at))
        number = len(self.said) + 1
        self.said.append(
            Event(seq=number, kind=kind, subject=subject, at=moment, actor="dpo", facts={}, prev="", mac="")
        )

    def events(self, *, kind, after):
        return [event for event in self.said if event.kind == kind and event.seq > after]


@pytest.fixture
def fresh(keep):
    """A kept answer of just now."""
    return lambda **changes: keep(tenant="a", release="r1", at=time.time(), **changes)


def run(scenario, ledger=None, **options):
    @contextlib.asynccontextmanager
    async def opened():
        cache = ResponseCache(
            CacheOptions(**{"backend": "memory", "erasure_s": 0.01, **options}),
            ledger=ledger or Told(),
            current=lambda: {"r1"},
            clock=SystemClock(),
        )
        cache.start()
        while cache.blind:
            await asyncio.sleep(0.001)
        yield cache
        await cache.close()

    async def whole():
        async with opened() as cache, asyncio.timeout(10):
            return await scenario(cache)

    return asyncio.run(whole())


@pytest.fixture
def kept():
    """Looks once and gives what would be generated; what came of the look."""

    async def kept(cache, answer, asked=ASKED):
        look = await cache.look(asked)
        look.over(answer)
        await asyncio.sleep(0)
        return look.outcome

    return kept


def test_rules_that_an_answer_was_held_to_are_part_of_its_key(fresh, kept):
    async def scenario(cache):
        return [await kept(cache, fresh(), dataclasses.replace(ASKED, also=(rules,))) for rules in "aabb"]

    assert run(scenario) == ["miss", "hit", "miss", "hit"]


def test_an_answer_that_another_release_gave_in_this_ones_place_is_nobodys(fresh):
    async def scenario(cache):
        first = await cache.look(ASKED)
        second = asyncio.create_task(cache.look(ASKED))
        await asyncio.sleep(0)
        first.over(dataclasses.replace(fresh(), release="r2"))
        look = await second
        look.over(fresh())
        return look.outcome

    assert run(scenario) == "miss"


def test_who_waits_waits_for_no_later_tier(fresh):
    async def scenario(cache):
        low = await cache.look(dataclasses.replace(ASKED, tier=2))
        high = await cache.look(dataclasses.replace(ASKED, tier=0))
        middle = asyncio.create_task(cache.look(dataclasses.replace(ASKED, tier=1)))
        await asyncio.sleep(0)
        high.over(fresh())
        joined = (await middle).outcome
        low.over(fresh())
        return high.outcome, joined

    assert run(scenario) == ("miss", "joined")


def test_one_that_gives_up_waiting_takes_nobody_elses_answer_away(fresh):
    async def scenario(cache):
        first = await cache.look(ASKED)
        waiting = [asyncio.create_task(cache.look(ASKED)) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        first.over(fresh())
        return (await waiting[1]).outcome

    assert run(scenario) == "joined"


def test_when_the_first_fails_those_who_waited_go_one_after_the_other(fresh):
    async def scenario(cache):
        first = await cache.look(ASKED)
        waiting = [asyncio.create_task(cache.look(ASKED)) for _ in range(3)]
        await asyncio.sleep(0)
        first.over(None)
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        (leader,) = (task.result() for task in done)
        leader.over(fresh())
        looks = [await task for task in waiting]
        return sorted(look.outcome for look in looks)

    assert run(scenario) == ["joined", "joined", "miss"]


def test_an_answer_is_no_older_than_it_may_be_wherever_it_lay(fresh, kept):
    async def scenario(cache):
        await kept(cache, dataclasses.replace(fresh(), at=time.time() - 61))
        return await kept(cache, None)

    assert run(scenario, ttl_s=60) == "miss"


def test_where_a_person_was_erased_nothing_from_before_is_given_and_what_comes_later_is(fresh, kept):
    ledger = Told()

    async def scenario(cache):
        before = [await kept(cache, dataclasses.replace(fresh(), at=time.time() - 100)) for _ in range(2)]
        ledger.add("subject.erased", "subject:x", at=time.time() - 50)
        while cache.size()[0]:
            await asyncio.sleep(0.001)
        after = [await kept(cache, fresh()) for _ in range(2)]
        return before, after

    assert run(scenario, ledger) == (["miss", "hit"], ["miss", "hit"])


def test_an_answer_that_is_erased_while_others_wait_for_it_is_given_to_nobody(fresh):
    async def scenario(cache):
        first = await cache.look(ASKED)
        second = asyncio.create_task(cache.look(ASKED))
        await asyncio.sleep(0)
        answer = fresh()
        await cache.forget(answer.answer)
        first.over(answer)
        look = await second
        look.over(None)
        return look.outcome, cache.size()

    assert run(scenario) == ("miss", (0, 0))


def test_what_was_erased_before_anything_that_is_kept_costs_nothing_at_the_start(fresh, kept):
    ledger = Told()
    ledger.add("subject.erased", "subject:x", at=time.time() - 10_000)
    ledger.add("payload.erased", "ans_1", at=time.time() - 10_000)

    async def scenario(cache):
        return [await kept(cache, dataclasses.replace(fresh(), at=time.time() - 50)) for _ in range(2)]

    assert run(scenario, ledger, ttl_s=60) == ["miss", "hit"]
