"""Engines die, clients leave, queues fill, the gateway stops: clean errors, and the next request is answered."""

import asyncio
import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest

from seekloop.runtime.generate.backend import Prompt
from seekloop.serve.caller import Caller
from seekloop.serve.options import GatewayOptions
from seekloop.serve.recorder import Recorder
from seekloop.serve.reply import Order, Reply
from seekloop.serve.rollout.lease import Lease
from seekloop.serve.worker import Worker

LONG = "A very long answer: " + "and so on " * 20
SCRIPT = {"Tell me": LONG}
TELL = [{"role": "user", "content": "Tell me"}]


def rows(world):
    return [(row.finish_reason, row.content) for row in world.ctx.ledger.answers()]


def test_an_engine_that_dies_under_a_whole_answer_is_replaced_and_the_client_sees_nothing(world):
    nursery = world.nursery(5, 10**9)
    with world.serving(world.release("a", SCRIPT), opener=nursery.open) as served:
        answer = served.client.chat.completions.create(model="production", messages=TELL)
    assert answer.choices[0].message.content == LONG
    assert rows(world) == [("stop", LONG)]
    assert len(nursery.made) == 2


def test_an_engine_that_dies_in_the_middle_of_a_stream_gives_an_error_event_and_the_next_request_is_answered(world):
    nursery = world.nursery(5, 10**9)
    with world.serving(world.release("a", SCRIPT), opener=nursery.open) as served:
        chunks = served.client.chat.completions.create(model="production", messages=TELL, stream=True)
        text = []
        with pytest.raises(openai.APIError) as error:
            text += [chunk.choices[0].delta.content or "" for chunk in chunks]
        again = served.client.chat.completions.create(model="production", messages=TELL, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in again) == LONG
    assert error.value.body["code"] == "serve.engine_stopped"
    (first, said), second = rows(world)
    assert first == "error"
    assert LONG.startswith(said)
    assert said
    assert second == ("stop", LONG)


def test_an_engine_that_keeps_dying_gives_502_with_retry_after(world):
    nursery = world.nursery(5)
    with world.serving(world.release("a", SCRIPT), opener=nursery.open, queue={"max_requests": 0}) as served:
        refused = served.ask("Tell me")
        assert refused.status_code == 502
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["error"]["type"] == "server_error"
        assert rows(world)[0][0] == "error"


def test_an_idle_engine_that_died_is_replaced_before_anybody_asks(world, until):
    nursery = world.nursery(10**9)
    with world.serving(world.release("a", SCRIPT), opener=nursery.open) as served:
        nursery.made[0].lives = 0
        until(lambda: len(nursery.made) == 2 and served.http.get("/readyz").status_code == 200)
        assert served.ask("Tell me").status_code == 200


def test_an_engine_that_hangs_is_found_by_a_probe_and_replaced(world, until):
    nursery = world.nursery(10**9)
    with world.serving(world.release("a", SCRIPT), opener=nursery.open, probe_s=0.1) as served:
        nursery.made[0].hangs = True
        until(lambda: len(nursery.made) == 2 and served.http.get("/readyz").status_code == 200)
        assert not nursery.made[0].alive()


def test_an_engine_that_does_not_start_is_tried_again(world, until):
    nursery = world.nursery(0, 0, 10**9)
    release = world.release("a", SCRIPT)
    world.promote(release)
    with world.serving(opener=nursery.open) as served:
        served.wait_for(release)
        assert served.ask("Tell me").status_code == 200


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_stream_and_leaves_a_row(world, until, stream):
    world.pace_s = 0.02
    with world.serving(world.release("a", SCRIPT), streams=1, queue={"max_requests": 0}) as served:
        body = {"model": "production", "messages": TELL, "stream": stream}
        with (
            httpx2.Client(base_url=served.url, headers=served.http.headers, timeout=0.3) as hasty,
            pytest.raises(httpx2.ReadTimeout)
            if not stream
            else hasty.stream("POST", "/v1/chat/completions", json=body),
        ):
            if not stream:
                hasty.post("/v1/chat/completions", json=body)
        until(lambda: rows(world))
        assert served.ask("Hi").status_code == 200
    (reason, content), _ = rows(world)
    assert reason == "cancelled"
    assert len(content) < len(LONG)


@contextlib.asynccontextmanager
async def asked(world, *, on_free=lambda worker: None, window_s=0.0):
    """A reply that was just made, and not begun; its rows wait `window_s` for others."""
    release = world.release("a", SCRIPT)
    worker = await Worker.start(release.id, store=world.ctx.store, opener=world.open, options=GatewayOptions())
    recorder = Recorder(world.ctx.ledger, window_s=window_s)
    recorder.start()
    prompt = Prompt(ids=(1, 2, 3), stop_ids=worker.codec.stop_ids, max_tokens=2)
    order = Order(caller=Caller(name="c"), messages=[], prompt=prompt, stops=(), stream=True, asked_at=0.0)
    worker.lease()
    yield Reply(
        order, lease=Lease(worker=worker), recorder=recorder, clock=world.ctx.clock, on_free=lambda: on_free(worker)
    )
    await recorder.close()
    await worker.close()


def test_an_answer_that_is_cancelled_before_it_begins_leaves_a_row_and_frees_everything(world):
    freed = []

    async def scenario():
        async with asked(world, on_free=lambda worker: freed.append(worker.in_use)) as reply:
            reply.cancel()
            await reply.ended()

    asyncio.run(scenario())
    assert freed == [0]
    assert rows(world) == [("cancelled", "")]


def test_an_answer_that_only_waits_for_its_row_is_complete_whoever_leaves(world):
    async def scenario():
        freed = asyncio.Event()
        async with asked(world, on_free=lambda _: freed.set(), window_s=0.2) as reply:
            await freed.wait()
            reply.cancel()
            await reply.whole()

    asyncio.run(scenario())
    assert [reason for reason, _ in rows(world)] == ["length"]


def test_who_comes_when_the_queue_is_full_is_told_to_come_back(world, until):
    world.pace_s = 0.02
    one = {"queue": {"max_requests": 1}, "streams": 1}
    with world.serving(world.release("a", SCRIPT), **one) as served, ThreadPoolExecutor(2) as pool:
        accepted = [pool.submit(served.ask, "Tell me", max_tokens=20) for _ in range(2)]
        until(lambda: served.gateway.admission.waiting == 1)
        refused = served.ask("Tell me")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json()["error"] == {
            "message": refused.json()["error"]["message"],
            "type": "rate_limit_error",
            "param": None,
            "code": "queueing.full",
        }
        assert [future.result().status_code for future in accepted] == [200, 200]
    assert len(rows(world)) == 2


def test_who_waits_too_long_is_told_to_come_back(world):
    world.pace_s = 0.02
    with (
        world.serving(world.release("a", SCRIPT), streams=1, queue={"timeout_s": 0.1}) as served,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(served.ask, "Tell me", max_tokens=60)
        while not served.http.get("/v1/releases").json()["serving"]["in_flight"]:
            pass
        refused = served.ask("Tell me")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queueing.late")
        assert first.result().status_code == 200


def test_a_client_that_leaves_the_queue_leaves_no_row_and_no_hole(world, until):
    world.pace_s = 0.02
    one = {"queue": {"max_requests": 1}, "streams": 1}
    with world.serving(world.release("a", SCRIPT), **one) as served, ThreadPoolExecutor(1) as pool:
        first = pool.submit(served.ask, "Tell me", max_tokens=60)
        until(lambda: served.http.get("/v1/releases").json()["serving"]["in_flight"] == 1)
        with pytest.raises(httpx2.ReadTimeout):
            served.http.post("/v1/chat/completions", json={"model": "production", "messages": TELL}, timeout=0.2)
        until(lambda: served.gateway.admission.waiting == 0)
        assert served.ask("Hi").status_code == 200
        assert first.result().status_code == 200
    assert len(rows(world)) == 2


def test_a_gateway_that_stops_finishes_what_is_in_flight(world):
    world.pace_s = 0.01
    begun = threading.Event()

    def listen(served):
        text = ""
        chunks = served.client.chat.completions.create(model="production", messages=TELL, stream=True)
        for chunk in chunks:
            begun.set()
            text += chunk.choices[0].delta.content or ""
        return text

    with ThreadPoolExecutor(1) as pool, world.serving(world.release("a", SCRIPT)) as served:
        heard = pool.submit(listen, served)
        begun.wait()
        served.running.stop()
        assert heard.result() == LONG
    assert rows(world) == [("stop", LONG)]


def test_what_does_not_finish_in_time_is_cancelled_and_recorded(world):
    world.pace_s = 0.05
    with ThreadPoolExecutor(1) as pool, world.serving(world.release("a", SCRIPT), drain_s=1.0) as served:
        answer = pool.submit(served.ask, "Tell me", stream=True)
        while not served.http.get("/v1/releases").json()["serving"]["in_flight"]:
            pass
        served.running.stop()
        last = answer.result().text.splitlines()[-2]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "serve.closing"
    assert [reason for reason, _ in rows(world)] == ["cancelled"]


def test_a_gateway_that_stops_while_an_engine_starts_leaves_none_behind(world):
    made = []

    async def slow(checkpoint):
        made.append(await world.open(checkpoint))
        starting.set()
        await asyncio.sleep(0.2)
        return made[-1]

    starting = threading.Event()
    world.promote(world.release("a"))
    with world.serving(opener=slow) as served:
        starting.wait()
        served.running.stop()
    assert [engine.alive() for engine in made] == [False]
