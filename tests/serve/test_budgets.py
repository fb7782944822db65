"""Budgets on the way of a request, across processes and restarts."""

import asyncio

import httpx2
import openai
import pytest

from seekloop.serve.access.budgets import Budgets
from seekloop.serve.access.issue import Grant, issue
from seekloop.serve.access.options import AccessOptions
from seekloop.serve.caller import Caller
from seekloop.serve.limits import Limits
from seekloop.system.clock import SystemClock
from seekloop.system.errors import UsageError

HELLO = [{"role": "user", "content": "Hi"}]
SCRIPT = {"Hi": "Hello"}


def client_of(served, name, **limits):
    """A client whose key has these limits."""
    grant = Grant(name=name, limits=Limits.parse(**limits))
    _, key = issue(grant, ledger=served.world.ctx.ledger, clock=SystemClock(), actor="t", reason="t")
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0, timeout=30)


def ask(client, **fields):
    return client.chat.completions.with_raw_response.create(model="production", messages=HELLO, **fields)


def left_of(served, client):
    """What a key has left, as its holder is told."""
    return httpx2.get(f"{served.url}/v1/keys/self", headers={"Authorization": f"Bearer {client.api_key}"}).json()[
        "left"
    ]


@pytest.fixture(scope="module")
def served(lasting_world):
    prices = {"prompt_price": 1.0, "completion_price": 2.0, "poll_s": 0.05}
    with lasting_world.serving(lasting_world.release("a", SCRIPT), access=prices) as served:
        yield served


def test_a_rate_is_held_and_told_in_openais_headers(served):
    with client_of(served, "rate", rate="3/h") as client:
        left = [ask(client, max_tokens=4).headers["x-ratelimit-remaining-requests"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        with pytest.raises(openai.RateLimitError) as refused:
            ask(client, max_tokens=4)
    headers = refused.value.response.headers
    assert refused.value.code == "rate_limit_exceeded"
    assert headers["x-ratelimit-limit-requests"] == "3"
    assert 1100 < int(headers["retry-after"]) <= 1200
    assert headers["x-should-retry"] == "false"


def test_tokens_are_reserved_at_their_most_and_paid_as_they_came(served):
    with client_of(served, "tokens", tokens=["300/day"]) as client:
        first = ask(client, max_tokens=100)
        used = first.parse().usage.total_tokens
        with pytest.raises(openai.RateLimitError) as refused:
            ask(client, max_tokens=300)
        assert refused.value.code == "insufficient_quota"
        assert "max_tokens" in refused.value.message
        assert int(refused.value.response.headers["x-ratelimit-remaining-tokens"]) == 300 - used
        assert ask(client, max_tokens=100).status_code == 200


def test_money_is_counted_by_the_kind_of_token(served):
    with client_of(served, "money", cost=["1/day"]) as client:
        usage = ask(client, max_tokens=4).parse().usage
        left = left_of(served, client)["cost_day"]
    assert left == pytest.approx(1 - (usage.prompt_tokens + 2 * usage.completion_tokens) / 1000)


def test_a_refused_request_is_no_row_and_a_bad_one_costs_nothing(served):
    before = len(served.world.ctx.ledger.answers())
    with client_of(served, "bad", tokens=["100/day"]) as client:
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="production", messages=[{"role": "user", "content": "9" * 3000}])
        with pytest.raises(openai.RateLimitError):
            ask(client, max_tokens=100)
        assert ask(client, max_tokens=4).status_code == 200
    assert len(served.world.ctx.ledger.answers()) == before + 1


def test_a_stream_pays_when_it_ends(served, until):
    with client_of(served, "stream", tokens=["200/day"]) as client:
        chunks = list(
            client.chat.completions.create(
                model="production",
                messages=HELLO,
                max_tokens=90,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        used = chunks[-1].usage.total_tokens
        until(lambda: left_of(served, client)["tokens_day"] == 200 - used)
        assert 0 < used < 162


def test_whoever_has_no_limits_is_told_of_none(served):
    assert not [name for name in served.ask().headers if name.startswith("x-ratelimit")]


def test_what_was_used_survives_a_restart(world):
    release = world.release("a", SCRIPT)
    with world.serving(release) as served, client_of(served, "app", tokens=["200/day"]) as client:
        used = ask(client, max_tokens=20).parse().usage.total_tokens
        key = client.api_key
    with world.serving() as served:
        served.wait_for(release)
        told = httpx2.post(
            f"{served.url}/v1/chat/completions",
            headers={"Authorization": f"Bearer {key}"},
            json={"model": "production", "messages": HELLO, "max_tokens": 200 - used},
        )
    assert told.status_code == 429
    assert f"{200 - used} of 200" in told.json()["error"]["message"]


def two_processes(ctx, work, *, poll_s=0.05):
    """What `work(one, two)` gives, for the budgets of two processes over one ledger."""

    async def run():
        options = AccessOptions(poll_s=poll_s)
        both = [Budgets(ctx.ledger.usage, options=options, clock=SystemClock()) for _ in range(2)]
        for one in both:
            one.start()
        try:
            return await work(*both)
        finally:
            for one in both:
                await one.close()

    return asyncio.run(run())


async def let_in(budgets, caller, *, at_most):
    """How many requests of 10 tokens are let in before one is refused; their charges."""
    charges = []
    try:
        for _ in range(at_most):
            charges.append(await budgets.reserve(caller, prompt_tokens=4, completion_tokens=6))
    except UsageError as error:
        assert error.code in ("access.tokens_spent", "access.rate")
    return charges


def headers_of(budgets, caller):
    """What is left, as the headers say."""
    return next((value.decode() for name, value in budgets.headers(caller) if b"remaining" in name), None)


@pytest.mark.parametrize("limits", [Limits(tokens_day=100), Limits(requests=10, per_s=3600)])
def test_two_processes_share_one_budget_within_a_second(ctx, limits):
    caller = Caller(name="a", key="sl_a", limits=limits)
    left = "30" if limits.tokens_day else "3"

    async def work(one, two):
        first = await let_in(one, caller, at_most=6)
        await let_in(two, caller, at_most=1)
        async with asyncio.timeout(5):
            while {headers_of(each, caller) for each in (one, two)} != {left}:
                await asyncio.sleep(0.01)
        return len(first) + 1 + len(await let_in(two, caller, at_most=99))

    assert two_processes(ctx, work) == 10


def test_a_third_process_that_comes_late_finds_nothing_left(ctx):
    caller = Caller(name="a", key="sl_a", limits=Limits(tokens_month=100, requests=10, per_s=3600))

    async def work(one, two):
        for charge in await let_in(one, caller, at_most=10):
            charge.settle(4, 6)
        await one.close()
        return await let_in(two, caller, at_most=1)

    assert two_processes(ctx, work) == []


def test_what_is_held_is_said_again_and_again_whatever_else_goes_on(ctx):
    slow, busy = (Caller(name=name, key=name, limits=Limits(tokens_day=10**6)) for name in ("slow", "busy"))

    async def work(one, _):
        await let_in(one, slow, at_most=1)
        seen = set()
        async with asyncio.timeout(5):
            while len(seen) < 3:
                await let_in(one, busy, at_most=1)
                seen |= {row.at for row in ctx.ledger.usage.of(["slow"], since="2026-01-01")}
                await asyncio.sleep(0.01)
        return [row.held_tokens for row in ctx.ledger.usage.of(["slow"], since="2026-01-01")]

    assert two_processes(ctx, work, poll_s=0.01) == [10]


def test_a_charge_is_settled_once(ctx):
    caller = Caller(name="a", key="sl_a", limits=Limits(tokens_day=100))

    async def work(one, _):
        (charge,) = await let_in(one, caller, at_most=1)
        charge.settle()
        charge.settle(50, 0)
        return (await one.windows(caller))[0].left

    assert two_processes(ctx, work) == 100
