"""One row in the ledger for each accepted request, durable before its answer is complete."""

import asyncio
import contextlib
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from seekloop.artifact.ledger import Answer
from seekloop.serve.recorder import Recorder
from seekloop.system.errors import LedgerError

SCRIPT = {"Where is my card?": "It is on its way to you, and should be there on Monday."}


@pytest.fixture
def broken_ledger(tmp_path):
    """Makes the real database refuse answers inside the block."""

    @contextlib.contextmanager
    def broken():
        with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db", timeout=30)) as database:
            database.execute("CREATE TRIGGER full BEFORE INSERT ON answer BEGIN SELECT RAISE(ABORT, 'no space'); END")
            try:
                yield
            finally:
                database.execute("DROP TRIGGER full")

    return broken


def test_accepted_requests_and_rows_are_the_same_set(world):
    few = {"queue": {"max_requests": 4}, "streams": 2}
    with world.serving(world.release("a", SCRIPT), **few) as served, ThreadPoolExecutor(16) as pool:
        world.pace_s = 0.001
        answers = list(pool.map(lambda n: served.ask(stream=bool(n % 3)), range(60)))
    assert {answer.status_code for answer in answers} <= {200, 429}
    accepted = [answer.headers["x-seekloop-answer"] for answer in answers if answer.status_code == 200]
    assert sorted(row.id for row in world.ctx.ledger.answers()) == sorted(accepted)
    assert world.ctx.ledger.verify() > 0


def test_a_row_says_what_was_asked_answered_and_how(world):
    release = world.release("a", SCRIPT)
    with world.serving(release) as served:
        answer = served.ask("Where is my card?", max_tokens=50, stop=["Monday"], seed=5, top_p=0.9)
    row = world.ctx.ledger.answer(answer.json()["id"])
    assert row.messages == [{"role": "user", "content": "Where is my card?"}]
    assert row.content == "It is on its way to you, and should be there on "
    assert (row.release, row.caller, row.finish_reason) == (release.id, "tester", "stop")
    assert dict(row.decoding) == {"max_tokens": 50, "temperature": 0.0, "top_p": 0.9, "seed": 5, "stop": ["Monday"]}
    assert row.prompt_tokens == answer.json()["usage"]["prompt_tokens"]
    assert 0 < row.first_token_ms <= row.total_ms


def test_sampling_without_a_seed_is_recorded_with_the_seed_it_got(world):
    with world.serving(world.release("a", SCRIPT)) as served:
        served.ask(temperature=1.0)
        served.ask(temperature=1.0)
    seeds = [row.decoding["seed"] for row in world.ctx.ledger.answers()]
    assert seeds[0] != seeds[1]


def test_a_ledger_that_cannot_be_written_gives_503_and_no_answer(world, broken_ledger):
    with world.serving(world.release("a", SCRIPT)) as served:
        with broken_ledger():
            refused = served.ask("Where is my card?")
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "serve.not_recorded"
            assert "Monday" not in refused.text
            assert served.http.get("/readyz").status_code == 503
        assert served.ask("Where is my card?").status_code == 200
        assert served.http.get("/readyz").status_code == 200
    assert len(world.ctx.ledger.answers()) == 1


def test_a_stream_that_cannot_be_recorded_ends_in_an_error_and_the_next_one_says_nothing(world, broken_ledger):
    with world.serving(world.release("a", SCRIPT)) as served:
        with broken_ledger():
            first, second = (served.ask("Where is my card?", stream=True).text for _ in range(2))
        third = served.ask("Where is my card?", stream=True).text
        fourth = served.ask("Where is my card?", stream=True).text
    for text in (first, second):
        assert "[DONE]" not in text
        assert json.loads(text.splitlines()[-2].removeprefix("data: "))["error"]["code"] == "serve.not_recorded"
    assert " on its way" not in second
    # Until a row is written again text waits for its row; then it flows.
    assert third.count("chat.completion.chunk") == 3
    assert fourth.count("chat.completion.chunk") > 10
    assert "Monday" in third


class Counting:
    """A ledger that only counts what it is given."""

    def __init__(self):
        self.batches = []

    def record_answers(self, answers):
        self.batches.append(len(answers))


def answer(number):
    facts = {"messages": [], "content": "", "finish_reason": "stop", "first_token_ms": 0.0, "total_ms": 0.0}
    return Answer(id=f"ans_{number}", release="r", at="", caller="c", prompt_tokens=1, completion_tokens=1, **facts)


def test_answers_that_end_together_are_committed_together():
    ledger = Counting()

    async def scenario():
        recorder = Recorder(ledger, window_s=0.05)
        recorder.start()
        await asyncio.gather(*(recorder.record(answer(number)) for number in range(20)))
        await recorder.close()

    asyncio.run(scenario())
    assert ledger.batches == [20]


def test_a_recorder_that_closes_writes_what_is_queued():
    ledger = Counting()

    async def scenario():
        recorder = Recorder(ledger, window_s=0.0)
        recorder.start()
        waiting = [recorder.record(answer(number)) for number in range(300)]
        await recorder.close()
        return [durable.done() for durable in waiting]

    assert all(asyncio.run(scenario()))
    assert sum(ledger.batches) == 300


def test_every_answer_of_a_batch_that_fails_is_told(world, broken_ledger):
    async def scenario():
        recorder = Recorder(world.ctx.ledger, window_s=0.05)
        recorder.start()
        waiting = [recorder.record(answer(number)) for number in range(3)]
        told = await asyncio.gather(*waiting, return_exceptions=True)
        await recorder.close()
        return told

    with broken_ledger():
        told = asyncio.run(scenario())
    assert [error.code for error in told if isinstance(error, LedgerError)] == ["serve.not_recorded"] * 3
