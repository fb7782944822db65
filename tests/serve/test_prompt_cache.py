"""The prompt cache of an upstream: what it says that it read from there is told, counted and paid as such."""

import json

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.serve.access.budgets import Budgets
from seekloop.serve.access.issue import Grant, issue
from seekloop.serve.access.options import AccessOptions
from seekloop.serve.limits import Limits
from seekloop.serve.options import GatewayOptions
from seekloop.serve.upstream.asking import Asked
from seekloop.serve.upstream.reading import heard
from seekloop.serve.upstream.relay import Relayed
from seekloop.system.clock import SystemClock
from seekloop.system.errors import UsageError

HELLO = [{"role": "user", "content": "Where is my card?"}]
READ, CACHED, SAID = 16, 12, 7
"""Of the mock upstream."""
ODD = [None, True, -1, 1.5, "12", [12], {"cached_tokens": 12}]
PRICES = {"prompt_price": 1.0, "cached_prompt_price": 0.1, "completion_price": 2.0}


@pytest.fixture(autouse=True)
def caching(upstream):
    upstream.manner.cached = CACHED


def told(**usage):
    """Cached tokens that are read from such a usage."""
    return heard(json.dumps({"usage": usage, "choices": []}).encode()).cached_tokens


def priced(ctx, **prices):
    """Budgets with such prices."""
    return Budgets(ctx.ledger.usage, options=AccessOptions(**prices), clock=SystemClock())


def counted(served):
    """(tokens asked for, tokens found), as a scrape tells."""
    lines = [line.rpartition(" ") for line in served.http.get("/metrics").text.splitlines()]
    found = {name: float(value) for name, _, value in lines if name.startswith("vllm:prefix_cache")}
    label = '{model_name="production"}'
    return tuple(found[f"vllm:prefix_cache_{what}_total{label}"] for what in ("queries", "hits"))


def test_the_count_is_read_under_openais_name_and_under_deepseeks():
    assert told(prompt_tokens=16, prompt_tokens_details={"cached_tokens": 0}) == 0
    assert told(prompt_tokens=16, prompt_cache_hit_tokens=12, prompt_cache_miss_tokens=4) == 12
    assert told(prompt_tokens=16, prompt_tokens_details={"cached_tokens": 8}, prompt_cache_hit_tokens=12) == 8
    assert told(prompt_tokens=16, prompt_tokens_details=None) is None


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_what_is_no_count_is_untold(odd):
    assert told(prompt_tokens_details={"cached_tokens": odd}) is None
    assert told(prompt_tokens_details=[odd]) is None
    assert told(prompt_cache_hit_tokens=odd) is None
    assert heard(json.dumps({"usage": {"prompt_tokens": odd}}).encode()).prompt_tokens is None


def test_no_more_is_taken_for_cached_than_was_read():
    said = Relayed(Asked(path="chat/completions", body={"messages": []}))
    said.add(heard(b'{"usage": {"prompt_tokens": 5, "completion_tokens": 1, "prompt_cache_hit_tokens": 9}}'))
    assert said.cached_tokens == said.prompt_tokens == 5


def test_an_answer_tells_what_the_upstream_read_from_its_cache(serve):
    with serve() as served:
        chat = served.client.chat.completions.create(model="production", messages=HELLO)
        text = served.client.completions.create(model="production", prompt="My card")
    assert {one.usage.prompt_tokens_details.cached_tokens for one in (chat, text)} == {CACHED}


def test_a_stream_tells_it_with_its_usage(serve):
    with serve() as served:
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        *_, last = served.client.chat.completions.create(model="production", messages=HELLO, **asked)
    assert (last.usage.prompt_tokens, last.usage.prompt_tokens_details.cached_tokens) == (READ, CACHED)


def test_several_choices_tell_it_together(serve):
    with serve() as served:
        usage = served.ask(n=3).json()["usage"]
    assert (usage["prompt_tokens"], usage["prompt_tokens_details"]) == (3 * READ, {"cached_tokens": 3 * CACHED})


def test_where_the_upstream_says_nothing_nothing_is_told_or_counted(serve, upstream):
    upstream.manner.cached = None
    with serve() as served:
        assert "prompt_tokens_details" not in served.ask().json()["usage"]
        assert counted(served) == (0, 0)


def test_an_answer_of_our_own_cache_claims_nothing_of_the_upstreams(serve, until):
    with serve(cache={"backend": "memory", "erasure_s": 0.02}) as served:
        until(lambda: not served.gateway.cache.blind)
        first, again = (served.ask(temperature=0) for _ in range(2))
        assert again.headers["x-seekloop-cache"] == "hit"
        assert counted(served) == (READ, CACHED)
    assert first.json()["usage"].pop("prompt_tokens_details") == {"cached_tokens": CACHED}
    assert again.json()["usage"] == {"prompt_tokens": READ, "completion_tokens": SAID, "total_tokens": READ + SAID}


def test_the_counters_are_of_answers_whose_upstream_told(serve, upstream):
    with serve() as served:
        served.ask()
        upstream.manner.cached = 0
        served.ask()
        upstream.manner.cached = None
        served.ask()
        assert counted(served) == (2 * READ, CACHED)


def test_the_schema_of_an_answer_describes_it(serve):
    with serve() as served:
        paths = served.http.get("/openapi.json").json()["paths"]
    for path in ("/v1/chat/completions", "/v1/completions"):
        answer = paths[path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        usage = answer["properties"]["usage"]
        assert usage["properties"]["prompt_tokens_details"]["properties"]["cached_tokens"] == {"type": "integer"}
        assert "prompt_tokens_details" not in usage["required"]


def test_cached_tokens_are_paid_at_their_own_price(serve):
    with serve(access=PRICES) as served:
        grant = Grant(name="payer", limits=Limits.parse(cost=["1/day"]))
        _, key = issue(grant, ledger=served.world.ctx.ledger, clock=SystemClock(), actor="t", reason="t")
        headers = {"Authorization": f"Bearer {key}"}
        body = {"model": "production", "messages": HELLO, "max_tokens": 20}
        assert httpx2.post(f"{served.url}/v1/chat/completions", headers=headers, json=body).status_code == 200
        left = httpx2.get(f"{served.url}/v1/keys/self", headers=headers).json()["left"]["cost_day"]
    assert left == pytest.approx(1 - (0.1 * CACHED + (READ - CACHED) + 2 * SAID) / 1000)


micro = st.integers(0, 10**12)
tokens = st.integers(0, 10**6)


@given(prompt=tokens, share=st.floats(0, 1), said=tokens, prices=st.tuples(micro, micro, st.floats(0, 1)))
def test_a_price_is_exact_in_millionths_and_rounded_up_once(prompt, share, said, prices):
    full, completion, reduced = prices[0], prices[1], int(prices[0] * prices[2])
    cached = int(prompt * share)
    options = AccessOptions(
        prompt_price=full / 1e6, cached_prompt_price=reduced / 1e6, completion_price=completion / 1e6
    )
    budgets = Budgets(None, options=options, clock=SystemClock())
    whole = (prompt - cached) * full + cached * reduced + said * completion
    paid = budgets.price(prompt, said, cached_tokens=cached)
    assert 0 <= 1000 * paid - whole < 1000


def test_without_a_price_of_their_own_cached_tokens_cost_as_others_do(ctx):
    budgets = priced(ctx, prompt_price=0.14, completion_price=0.28)
    assert budgets.price(1000, 10, cached_tokens=900) == budgets.price(1000, 10)


def test_cached_tokens_may_be_free(ctx):
    assert priced(ctx, prompt_price=0.14, cached_prompt_price=0.0).price(1000, 0, cached_tokens=1000) == 0


def test_a_price_of_cached_tokens_above_the_others_is_refused():
    with pytest.raises(UsageError, match="cached_prompt_price"):
        GatewayOptions.parse({"access": {"prompt_price": 1.0, "cached_prompt_price": 1.5}})
