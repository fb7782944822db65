"""Answers from the cache, through the gateway: of the same tenant, release and question, each with a row of its own."""

import asyncio
import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from seekloop.artifact.rows import Message
from seekloop.runtime.generate.backend import Prompt
from seekloop.serve.cache.answers import Asked, ResponseCache
from seekloop.serve.cache.kept import Kept
from seekloop.serve.cache.options import CacheOptions
from seekloop.serve.caller import Caller
from seekloop.serve.gateway import Gateway
from seekloop.serve.keys import Keyring
from seekloop.serve.options import GatewayOptions
from seekloop.serve.reply import Order
from seekloop.serve.server import in_thread
from seekloop.system.clock import SystemClock
from seekloop.system.errors import LedgerError

SCRIPT = {"Where is my card?": "It is on its way.", "Why?": "So."}
ON = {"backend": "memory", "erasure_s": 0.02}
PROMPT = Prompt(ids=(1,), stop_ids=frozenset())
ORDER = Order(caller=Caller(name="ann"), messages=[], prompt=PROMPT, stops=(), stream=False, asked_at=0.0)
FACTS = {"ids": (1,), "content": "a", "written": "a", "reasoning": "", "tool_calls": (), "finish_reason": "stop"}
COUNTS = {"prompt_tokens": 1, "completion_tokens": 1}
KEPT = Kept(answer="ans_1", tenant="t", release="r", at=time.time(), **FACTS, **COUNTS)


@pytest.fixture
def cached(world, until):
    """A gateway with a cache that answers already."""

    @contextlib.contextmanager
    def cached(release=None, **options):
        cache = {**ON, **options.pop("cache", {})}
        with world.serving(release or world.release("a", SCRIPT), cache=cache, **options) as served:
            until(lambda: not served.gateway.cache.blind)
            yield served

    return cached


def engine_calls(served):
    return served.gateway.meters.finished.values.get(("stop",), 0)


def test_the_same_question_is_generated_once_and_each_answer_has_its_own_row(world, cached):
    with cached() as served:
        first, second = served.ask("Where is my card?"), served.ask("Where is my card?")
        assert engine_calls(served) == 1
    assert [answer.headers["x-seekloop-cache"] for answer in (first, second)] == ["miss", "hit"]
    assert first.json()["choices"] == second.json()["choices"]
    assert first.json()["usage"] == second.json()["usage"]
    rows = {row.id: row for row in world.ctx.ledger.answers()}
    assert set(rows) == {first.json()["id"], second.json()["id"]}
    hit = rows[second.json()["id"]]
    assert hit.decoding["cached"] == {"answer": first.json()["id"]}
    assert "cached" not in rows[first.json()["id"]].decoding
    assert (hit.content, hit.release) == ("It is on its way.", first.headers["x-seekloop-release"])
    assert world.ctx.ledger.verify() > 0


def test_a_stream_comes_from_the_cache_as_a_stream_and_a_whole_answer_from_a_streamed_one(cached):
    with cached() as served:
        whole = served.ask("Where is my card?").json()["choices"][0]["message"]["content"]
        text = served.ask("Where is my card?", stream=True, stream_options={"include_usage": True})
        assert served.ask("Why?", stream=True).headers["x-seekloop-cache"] == "miss"
        assert served.ask("Why?").headers["x-seekloop-cache"] == "hit"
    chunks = [json.loads(line[6:]) for line in text.text.splitlines() if line.startswith("data: {")]
    assert text.headers["x-seekloop-cache"] == "hit"
    assert text.text.endswith("data: [DONE]\n\n")
    said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert said == whole
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] > 0


def test_reasoning_and_tool_calls_come_back_too(thinking_world, world, until):
    script = {"Why?": Message(role="assistant", content="So.", reasoning="Because.")}
    with thinking_world.serving(thinking_world.release("a", script), cache=ON) as served:
        until(lambda: not served.gateway.cache.blind)
        first, second = (served.ask("Why?").json()["choices"][0]["message"] for _ in range(2))
    assert first == second
    assert second["reasoning_content"] == "Because."


def test_a_tool_call_from_the_cache_is_the_same_call(world, cached):
    tool = {"type": "function", "function": {"name": "block_card", "parameters": {"type": "object", "properties": {}}}}
    call = {"id": "c1", "type": "function", "function": {"name": "block_card", "arguments": '{"last4": "1234"}'}}
    release = world.release("a")
    prompt, reply = world.lines("Block it", Message(role="assistant", tool_calls=(call,)), tools=[tool])
    world.scripts[release.checkpoint] = {prompt: reply}
    with cached(release) as served:
        first, second = (served.ask("Block it", tools=[tool]) for _ in range(2))
        without = served.ask("Block it")
    assert second.headers["x-seekloop-cache"] == "hit"
    called, again = (said.json()["choices"][0]["message"]["tool_calls"][0] for said in (first, second))
    assert called["function"] == again["function"] == call["function"]
    assert called["id"] != again["id"]  # another answer, whose call gets a result of its own
    assert without.headers["x-seekloop-cache"] == "miss"
    contents = [row.content for row in world.ctx.ledger.answers()]
    assert contents[0] == contents[1]


def test_what_changes_the_answer_is_another_question(cached):
    with cached() as served:
        served.ask("Where is my card?")
        for changed in (
            {"max_tokens": 3},
            {"stop": ["way"]},
            {"top_p": 0.5},
            {"seed": 1},
            {"temperature": 0.1, "seed": 0},
        ):
            assert served.ask("Where is my card?", **changed).headers["x-seekloop-cache"] == "miss", changed
        assert served.ask("Where is my card?", logprobs=True, top_logprobs=2).headers["x-seekloop-cache"] == "miss"
        assert served.ask("Where is my card?", user="u2").headers["x-seekloop-cache"] == "hit"


def test_log_probabilities_come_from_the_cache_as_they_were(cached):
    with cached() as served:
        fields = {"logprobs": True, "top_logprobs": 2}
        first, second = (served.ask("Where is my card?", **fields) for _ in range(2))
        body = {"model": "production", "prompt": "My card", "max_tokens": 2, "echo": True, "logprobs": 1}
        raw = [served.http.post("/v1/completions", json=body) for _ in range(2)]
    assert second.headers["x-seekloop-cache"] == raw[1].headers["x-seekloop-cache"] == "hit"
    assert first.json()["choices"] == second.json()["choices"]
    scored = [answer.json()["choices"][0]["logprobs"] for answer in raw]
    assert scored[0] == scored[1]


def test_a_sampled_answer_is_only_kept_with_a_seed_of_the_callers(cached):
    with cached() as served:
        words = [served.ask(temperature=1.0).headers["x-seekloop-cache"] for _ in range(2)]
        seeded = [served.ask(temperature=1.0, seed=7).headers["x-seekloop-cache"] for _ in range(2)]
    assert (words, seeded) == (["bypass", "bypass"], ["miss", "hit"])


@pytest.mark.parametrize(
    ("header", "words"),
    [("no-store", ["bypass", "bypass", "miss"]), ("no-cache", ["miss", "miss", "hit"])],
)
def test_a_request_can_leave_the_cache_alone_or_renew_it(header, words, cached):
    body = {"model": "production", "messages": [{"role": "user", "content": "Where is my card?"}]}
    with cached() as served:
        got = [served.http.post("/v1/chat/completions", json=body, headers={"Cache-Control": header}) for _ in range(2)]
        got.append(served.ask("Where is my card?"))
    assert [answer.headers["x-seekloop-cache"] for answer in got] == words


def test_no_tenant_is_given_anothers_answer(world, until):
    world.promote(world.release("a", SCRIPT))
    callers = {"key-a": Caller(name="ann", tenant="a"), "key-b": Caller(name="bob", tenant="b")}
    gateway = Gateway(
        store=world.ctx.store,
        ledger=world.ctx.ledger,
        keyring=Keyring(callers),
        opener=world.open,
        options=GatewayOptions(poll_s=0.01, cache=ON),
    )
    body = {"model": "production", "messages": [{"role": "user", "content": "Where is my card?"}]}
    with in_thread(gateway) as running, httpx2.Client(base_url=running.url, timeout=30) as http:
        until(lambda: gateway.ready and not gateway.cache.blind)
        words = [
            http.post("/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}).headers[
                "x-seekloop-cache"
            ]
            for key in ("key-a", "key-b", "key-a", "key-b")
        ]
    assert words == ["miss", "miss", "hit", "hit"]


def test_no_release_is_given_anothers_answer_and_a_rollback_finds_its_own_again(world, cached):
    one, two = world.release("a", SCRIPT), world.release("b", {"Where is my card?": "Lost."})
    with cached(one) as served:
        served.ask("Where is my card?")
        world.promote(two)
        served.wait_for(two)
        other = served.ask("Where is my card?")
        world.promote(one)
        served.wait_for(one)
        back = served.ask("Where is my card?")
    assert (other.headers["x-seekloop-cache"], back.headers["x-seekloop-cache"]) == ("miss", "hit")
    assert other.json()["choices"][0]["message"]["content"] == "Lost."
    assert back.json()["system_fingerprint"] == one.id


def test_equal_requests_at_the_same_time_are_generated_once(world, cached):
    world.pace_s = 0.02
    with cached() as served, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: served.ask("Where is my card?", stream=bool(n % 2)), range(8)))
        assert engine_calls(served) == 1
    assert sorted(answer.headers["x-seekloop-cache"] for answer in answers) == ["hit"] * 7 + ["miss"]
    assert len({row.id for row in world.ctx.ledger.answers()}) == 8
    assert {row.content for row in world.ctx.ledger.answers()} == {"It is on its way."}


def test_those_who_wait_for_an_answer_that_fails_make_their_own(world, until):
    world.pace_s = 0.02
    release = world.release("a", SCRIPT)
    nursery = world.nursery(2, 2, 10**9)
    with world.serving(release, opener=nursery.open, cache=ON) as served, ThreadPoolExecutor(4) as pool:
        until(lambda: not served.gateway.cache.blind)
        answers = list(pool.map(lambda _: served.ask("Where is my card?"), range(4)))
        later = served.ask("Where is my card?")
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 502]
    assert later.json()["choices"][0]["message"]["content"] == "It is on its way."


def test_an_answer_that_was_cut_off_or_failed_is_not_kept(world, cached, until):
    world.pace_s = 0.02
    with cached() as served:
        with served.http.stream("POST", "/v1/chat/completions", json=asked(stream=True)) as response:
            next(response.iter_lines())
        until(lambda: world.ctx.ledger.answers())
        assert served.ask("Where is my card?").headers["x-seekloop-cache"] == "miss"
    assert [row.finish_reason for row in world.ctx.ledger.answers()] == ["cancelled", "stop"]


def asked(**fields):
    return {"model": "production", "messages": [{"role": "user", "content": "Where is my card?"}], **fields}


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
def test_an_erased_answer_is_not_given_again(backend, world, cached, until, tmp_path):
    with cached(cache={"backend": backend, "path": tmp_path / "cache.db", "timeout_ms": 5000}) as served:
        first = served.ask("Where is my card?").json()["id"]
        assert served.ask("Where is my card?").headers["x-seekloop-cache"] == "hit"
        world.ctx.ledger.erase(first, actor="dpo", reason="asked for it")
        until(lambda: served.ask("Where is my card?").headers["x-seekloop-cache"] == "miss")
        assert served.ask("Where is my card?").headers["x-seekloop-cache"] == "hit"


def test_what_was_erased_while_no_gateway_ran_is_not_given_again(world, cached, tmp_path):
    release, dials = (
        world.release("a", SCRIPT),
        {"backend": "sqlite", "path": tmp_path / "cache.db", "timeout_ms": 5000},
    )
    with cached(release, cache=dials) as served:
        first = served.ask("Where is my card?").json()["id"]
    with cached(release, cache=dials) as served:
        assert served.ask("Where is my card?").headers["x-seekloop-cache"] == "hit"
    world.ctx.ledger.erase(first, actor="dpo", reason="asked for it")
    with cached(release, cache=dials) as served:
        assert served.ask("Where is my card?").headers["x-seekloop-cache"] == "miss"


class Away:
    """A ledger that cannot be read."""

    def events(self, **_):
        raise LedgerError("artifact.no_answer", id="")


def test_a_cache_that_does_not_know_what_was_erased_answers_nothing(caplog):
    async def scenario():
        cache = ResponseCache(CacheOptions(**ON), ledger=Away(), current=set, clock=SystemClock())
        cache.start()
        looks = []
        for _ in range(2):
            look = await cache.look(Asked(order=ORDER, tenant="t", release="r", messages=(), repeatable=True))
            look.over(KEPT)
            looks.append(look.outcome)
            await asyncio.sleep(0.05)
        await cache.close()
        return looks, cache.blind

    assert asyncio.run(scenario()) == (["miss", "miss"], True)
    assert "says what was erased" in caplog.text


def test_a_server_of_the_cache_that_is_down_costs_answers_nothing(cached):
    pytest.importorskip("redis", reason="redis is not installed: pip install 'seekloop[redis]'")
    with cached(cache={"backend": "redis", "url": "redis://127.0.0.1:1/0"}) as served:
        answers = [served.ask("Where is my card?") for _ in range(5)]
        assert served.gateway.cache.failures > 0
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["x-seekloop-cache"] for answer in answers} == {"miss"}


def test_gateways_share_a_redis_server(world, cached, redis_url):
    release, dials = world.release("a", SCRIPT), {"backend": "redis", "url": redis_url, "timeout_ms": 5000}
    with cached(release, cache=dials) as served:
        served.ask("Where is my card?")
    with cached(release, cache=dials) as served:
        assert served.ask("Where is my card?").headers["x-seekloop-cache"] == "hit"


def test_there_is_no_cache_and_no_word_of_it_unless_it_is_asked_for(world):
    with world.serving(world.release("a", SCRIPT)) as served:
        answers = [served.ask("Where is my card?") for _ in range(2)]
        assert engine_calls(served) == 2
    assert all("x-seekloop-cache" not in answer.headers for answer in answers)


def test_a_question_in_nearly_the_same_words_has_the_answer_and_its_row_says_so(world, cached):
    with cached(cache={"semantic": {"threshold": 0.8}}) as served:
        first = served.ask("Where is my card?").json()
        near = served.ask("where is my card please")
        other = served.ask("where is my card number 2")
        system = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "where is my card please"}]
        elsewhere = served.http.post("/v1/chat/completions", json={"model": "production", "messages": system})
    assert (near.headers["x-seekloop-cache"], other.headers["x-seekloop-cache"]) == ("similar", "miss")
    assert elsewhere.headers["x-seekloop-cache"] == "miss"
    assert near.json()["choices"][0]["message"]["content"] == "It is on its way."
    facts = world.ctx.ledger.answer(near.json()["id"]).decoding["cached"]
    assert facts["answer"] == first["id"]
    assert 0.8 <= facts["similarity"] < 1
