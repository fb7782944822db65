"""More comes than can be answered: who is told to come back is told when, and who matters most is answered."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from seekloop.serve.caller import Caller
from seekloop.serve.gateway import Gateway
from seekloop.serve.keys import Keyring
from seekloop.serve.options import GatewayOptions
from seekloop.serve.server import in_thread

TELL = [{"role": "user", "content": "Tell me"}]
SCRIPT = {"Tell me": "and so on " * 20}


class Site:
    """A gateway with callers of two tiers."""

    def __init__(self, gateway, url):
        self.gateway, self.url = gateway, url

    def ask(self, who, headers=(), **fields):
        body = {"model": "production", "messages": TELL, **fields}
        sent = {"Authorization": f"Bearer {who}", **dict(headers)}
        return httpx2.post(f"{self.url}/v1/chat/completions", json=body, headers=sent, timeout=60)

    @contextlib.contextmanager
    def streaming(self, who):
        """A request whose answer has begun to come inside the block, and that is given up at its end."""
        body = {"model": "production", "messages": TELL, "stream": True}
        sent = {"Authorization": f"Bearer {who}"}
        with httpx2.stream("POST", f"{self.url}/v1/chat/completions", json=body, headers=sent) as response:
            lines = response.iter_lines()
            assert any("and" in line for line in lines)
            yield response


@pytest.fixture
def site(world, until):
    """Makes gateways with the given options."""
    world.pace_s = 0.01
    release = world.release("a", SCRIPT)
    world.promote(release)

    @contextlib.contextmanager
    def make(**options):
        gateway = Gateway(
            store=world.ctx.store,
            ledger=world.ctx.ledger,
            keyring=Keyring({"high": Caller(name="high", tier=0), "low": Caller(name="low", tier=2)}),
            opener=world.open,
            options=GatewayOptions(poll_s=0.01, **options),
        )
        with in_thread(gateway) as running:
            until(lambda: gateway.ready)
            yield Site(gateway, running.url)

    return make


def test_ten_times_more_than_can_be_answered_gives_200_429_or_503_and_the_high_tier_200(site, world):
    with site(streams=2, queue={"max_requests": 6}) as served, ThreadPoolExecutor(44) as pool:
        low = [pool.submit(served.ask, "low", max_tokens=8) for _ in range(40)]
        high = [pool.submit(served.ask, "high", max_tokens=8) for _ in range(4)]
        answers = [future.result() for future in low]
        assert {future.result().status_code for future in high} == {200}
    refused = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in refused} <= {429, 503}
    assert refused
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)
    assert {answer.json()["error"]["code"] for answer in refused} <= {"queueing.full", "queueing.shed"}
    assert len(list(world.ctx.ledger.answers())) == 44 - len(refused)


def test_who_is_sent_away_for_a_higher_tier_is_told_so(site, until):
    with site(streams=1, queue={"max_requests": 1}) as served, ThreadPoolExecutor(2) as pool:
        with served.streaming("low"):
            low = pool.submit(served.ask, "low", max_tokens=2)
            until(lambda: served.gateway.admission.waiting == 1)
            high = pool.submit(served.ask, "high", max_tokens=2)
            shed = low.result()
        assert high.result().status_code == 200
    assert (shed.status_code, shed.json()["error"]["code"]) == (503, "queueing.shed")
    assert shed.json()["error"]["type"] == "server_error"
    assert int(shed.headers["retry-after"]) >= 1


def test_a_high_tier_does_not_wait_behind_the_low_one(site, until):
    with site(streams=1) as served, ThreadPoolExecutor(4) as pool:
        with served.streaming("low"):
            low = [pool.submit(served.ask, "low", max_tokens=1) for _ in range(3)]
            until(lambda: served.gateway.admission.waiting == 3)
            high = pool.submit(served.ask, "high", max_tokens=1)
            until(lambda: served.gateway.admission.waiting == 4)
        answers = {future.result().json()["id"] for future in low}
        first = high.result().json()["id"]
        rows = [row.id for row in served.gateway.ledger.answers()]
    assert set(rows[1:]) == {first, *answers}
    assert rows[1] == first


def test_tier_0_takes_a_stream_whose_answer_can_be_begun_again_and_nothing_of_it_is_lost(site, until):
    with site(streams=1) as served, ThreadPoolExecutor(2) as pool:
        low = pool.submit(served.ask, "low")
        until(lambda: served.gateway.running == 1)
        high = pool.submit(served.ask, "high", max_tokens=1)
        answers = [future.result().json() for future in (high, low)]
        metrics = httpx2.get(f"{served.url}/metrics", headers={"Authorization": "Bearer low"}).text
        rows = list(served.gateway.ledger.answers())
    assert [row.id for row in rows] == [answer["id"] for answer in answers]
    assert answers[1]["choices"][0]["message"]["content"] == SCRIPT["Tell me"]
    assert [row.decoding.get("sent_back") for row in rows] == [None, 1]
    assert 'vllm:num_preemptions_total{model_name="production"} 1.0' in metrics


def test_an_answer_that_has_begun_to_come_keeps_its_stream(site, until):
    with site(streams=1) as served, ThreadPoolExecutor(1) as pool:
        with served.streaming("low"):
            high = pool.submit(served.ask, "high", max_tokens=1)
            until(lambda: served.gateway.admission.waiting == 1)
            assert served.gateway.admission.sent_back == 0
        assert high.result().status_code == 200


def test_the_process_says_that_it_lives_while_everybody_waits(site, until):
    with site(streams=1, queue={"max_requests": 2}) as served, ThreadPoolExecutor(2) as pool:
        with served.streaming("low"):
            waiting = [pool.submit(served.ask, "low", max_tokens=1) for _ in range(2)]
            until(lambda: served.gateway.admission.waiting == 2)
            assert served.ask("low").status_code == 429
            assert httpx2.get(f"{served.url}/livez").json() == {"status": "ok"}
            ready = httpx2.get(f"{served.url}/readyz", headers={"Authorization": "Bearer low"})
            assert (ready.status_code, served.gateway.admission.waiting) == (200, 2)
        assert [future.result().status_code for future in waiting] == [200, 200]


def test_a_client_that_says_how_long_it_waits_is_told_by_then(site):
    with site(streams=1) as served, served.streaming("low"):
        late = served.ask("low", headers={"x-request-timeout": "0.05"})
        wrong = served.ask("low", headers={"x-request-timeout": "soon"})
    assert (late.status_code, late.json()["error"]["code"]) == (429, "queueing.late")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "queueing.not_seconds")


def test_prompts_that_cannot_be_read_in_time_are_refused(site, until):
    slow = {"target_first_token_s": 1e-9}
    with site(streams=1, queue=slow) as served, ThreadPoolExecutor(1) as pool, served.streaming("low"):
        waiting = pool.submit(served.ask, "low", max_tokens=1)
        until(lambda: served.gateway.admission.waiting == 1)
        refused = served.ask("low")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queueing.reading")
        assert not waiting.done()
