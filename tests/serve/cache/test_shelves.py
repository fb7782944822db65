"""Every shelf keeps whole answers, forgets erased ones, and stays within its bounds."""

import asyncio
import sqlite3

import pytest

from seekloop.serve.cache.breaker import Breaker
from seekloop.serve.cache.guarded import Guarded
from seekloop.serve.cache.kept import dumped, loaded
from seekloop.serve.cache.memory import MemoryShelf
from seekloop.serve.cache.redis import RedisShelf
from seekloop.serve.cache.shelf import ShelfFault
from seekloop.serve.cache.sqlite import SqliteShelf
from seekloop.system.clock import ManualClock, SystemClock

MIB = 2**20


def memory(clock=None, *, max_bytes=MIB, ttl_s=60.0, current=("r1",)):
    return MemoryShelf(max_bytes=max_bytes, ttl_s=ttl_s, current=lambda: current, clock=clock or SystemClock())


def sqlite(path, clock=None, *, max_bytes=MIB, ttl_s=60.0, current=("r1",)):
    return SqliteShelf(path, max_bytes=max_bytes, ttl_s=ttl_s, current=lambda: current, clock=clock or SystemClock())


@pytest.fixture(params=["memory", "sqlite", "redis"])
def make(request, tmp_path):
    """Makes a shelf; two of them are the same place, where the place is shared."""
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        return lambda: RedisShelf(url, ttl_s=60.0, timeout_s=2.0)
    return memory if request.param == "memory" else lambda: sqlite(tmp_path / "cache.db")


def run(scenario, *shelves):
    async def whole():
        try:
            return await scenario()
        finally:
            for shelf in shelves:
                await shelf.close()

    return asyncio.run(whole())


def test_an_answer_comes_back_as_it_was(make, keep):
    shelf = make()

    async def scenario():
        await shelf.put("whole", keep())
        return await shelf.get("whole"), await shelf.get("nothing")

    assert run(scenario, shelf) == (keep(), None)


def test_an_erased_answer_is_gone_under_every_key(make, keep):
    shelf = make()

    async def scenario():
        for key, answer in (("k1", "ans_gone"), ("k2", "ans_gone"), ("k3", "ans_stays")):
            await shelf.put(key, keep(answer=answer))
        await shelf.drop("ans_gone")
        await shelf.drop("ans_never_seen")
        return [await shelf.get(key) is not None for key in ("k1", "k2", "k3")]

    assert run(scenario, shelf) == [False, False, True]


def test_a_shelf_that_is_cleared_holds_nothing(make, keep):
    shelf = make()

    async def scenario():
        for number in range(30):
            await shelf.put(f"k{number}", keep(answer=f"ans_{number}"))
        await shelf.clear()
        return [await shelf.get(f"k{number}") for number in range(30)]

    assert run(scenario, shelf) == [None] * 30


def test_what_one_gateway_keeps_another_finds(tmp_path, keep):
    one, two = sqlite(tmp_path / "cache.db"), sqlite(tmp_path / "cache.db")

    async def scenario():
        await one.put("k", keep())
        seen = await two.get("k")
        await two.drop("ans_1")
        return seen, await one.get("k")

    assert run(scenario, one, two) == (keep(), None)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_an_answer_is_too_old_after_its_time(kind, tmp_path, keep):
    clock = ManualClock()
    shelf = memory(clock, ttl_s=10) if kind == "memory" else sqlite(tmp_path / "c.db", clock, ttl_s=10)

    async def scenario():
        await shelf.put("k", keep())
        clock.advance(9)
        young = await shelf.get("k")
        clock.advance(1)
        return young, await shelf.get("k")

    assert run(scenario, shelf) == (keep(), None)


def test_the_least_recently_used_leaves_memory_first(keep):
    shelf = memory(max_bytes=8_000)

    async def scenario():
        for key in "abc":
            await shelf.put(key, keep(answer=key))
        await shelf.get("a")
        for key in "defg":
            await shelf.put(key, keep(answer=key))
            await shelf.get("a")
        return [key for key in "abcdefg" if await shelf.get(key)]

    left = run(scenario)
    assert "a" in left
    assert "b" not in left
    assert shelf.size()[1] <= 8_000


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_answers_of_releases_that_are_no_longer_served_leave_before_others(kind, tmp_path, keep):
    size = 12_000
    shelf = memory(max_bytes=size) if kind == "memory" else sqlite(tmp_path / "c.db", max_bytes=size)
    long = "x" * (500 if kind == "memory" else 2_000)

    async def scenario():
        await shelf.put("served", keep(content=long, answer="first"))
        for number in range(40):
            await shelf.put(f"old{number}", keep(content=long, release="r0", answer=f"ans_{number}"))
        return await shelf.get("served")

    assert run(scenario, shelf) is not None
    assert shelf.size()[1] <= size


def test_an_answer_that_would_fill_everything_is_not_kept(keep):
    shelf = memory(max_bytes=2_000)

    async def scenario():
        await shelf.put("k", keep(content="x" * 5_000))
        return await shelf.get("k")

    assert run(scenario) is None
    assert shelf.size() == (0, 0)


def test_the_file_is_its_owners_alone_and_holds_nothing_of_an_erased_answer(tmp_path, keep):
    path = tmp_path / "cache.db"
    shelf = sqlite(path)

    async def scenario():
        await shelf.put("k", keep(content="my secret number"))
        mode = path.stat().st_mode & 0o777
        await shelf.drop("ans_1")
        return mode, b"".join(file.read_bytes() for file in tmp_path.iterdir())

    mode, left = run(scenario, shelf)
    assert mode == 0o600
    assert b"secret" not in left


def test_a_file_that_is_no_database_is_a_fault_of_the_shelf(tmp_path, keep):
    (tmp_path / "cache.db").write_bytes(b"not a database, " * 500)
    shelf = sqlite(tmp_path / "cache.db")

    async def scenario():
        with pytest.raises(ShelfFault):
            await shelf.get("k")

    run(scenario, shelf)


def test_an_entry_that_was_tampered_with_is_a_fault_and_no_answer(tmp_path, keep):
    shelf = sqlite(tmp_path / "cache.db")

    async def scenario():
        await shelf.put("k", keep())
        with sqlite3.connect(tmp_path / "cache.db") as database:
            database.execute("UPDATE kept SET body = ?", [b'{"answer": "ans_1"}'])
        database.close()
        with pytest.raises(ShelfFault):
            await shelf.get("k")

    run(scenario, shelf)


def test_only_finished_answers_are_read_back(keep):
    assert loaded(dumped(keep())) == keep()
    for wrong in (b"", b"[]", b"{}", b"\xff", dumped(keep(finish_reason="error"))):
        with pytest.raises(ValueError, match="kept"):
            loaded(wrong)


class Sick:
    """A shelf that fails, hangs or works, as it is told; it counts how often it was asked."""

    shared = True

    def __init__(self):
        self.state, self.asked, self.dropped = "fails", 0, []

    async def _do(self):
        self.asked += 1
        if self.state == "fails":
            raise ShelfFault("away")
        if self.state == "hangs":
            await asyncio.Event().wait()

    async def get(self, key):
        await self._do()

    async def put(self, key, kept):
        await self._do()

    async def drop(self, answer):
        await self._do()
        self.dropped.append(answer)

    async def clear(self):
        await self._do()
        self.dropped.append("everything")

    async def close(self):
        pass

    def size(self):
        return 0, 0


def guarded(clock):
    shelf = Sick()
    return shelf, Guarded(shelf, timeout_s=0.02, breaker=Breaker(pause_s=5.0, clock=clock))


@pytest.mark.parametrize("state", ["fails", "hangs"])
def test_a_shelf_that_is_down_is_a_miss_and_is_soon_left_alone(state, caplog):
    clock = ManualClock()
    shelf, guard = guarded(clock)
    shelf.state = state

    async def scenario():
        assert [await guard.get("k") for _ in range(10)] == [None] * 10
        assert shelf.asked == 3
        clock.advance(5.0)
        await guard.get("k")
        await guard.get("k")
        assert shelf.asked == 4
        shelf.state = "works"
        clock.advance(5.0)
        await guard.get("k")
        await guard.get("k")
        return shelf.asked

    assert asyncio.run(scenario()) == 6
    told = [record.getMessage() for record in caplog.records]
    assert [message.partition(":")[0] for message in told] == [
        "the cache cannot be asked, answers are generated",
        "the cache answers again",
    ]


def test_nothing_is_read_before_what_was_erased_meanwhile_is_dropped():
    clock = ManualClock()
    shelf, guard = guarded(clock)

    async def scenario():
        await guard.drop("ans_1")
        await guard.clear()
        await guard.get("k")
        assert shelf.dropped == []
        shelf.state = "works"
        clock.advance(5.0)
        await guard.get("k")
        return shelf.dropped

    assert asyncio.run(scenario()) == ["ans_1", "everything"]


def test_a_redis_that_nobody_runs_is_a_fault_of_the_shelf():
    pytest.importorskip("redis", reason="redis is not installed: pip install 'seekloop[redis]'")
    shelf = RedisShelf("redis://127.0.0.1:1/0", ttl_s=1.0, timeout_s=0.5)

    async def scenario():
        with pytest.raises(ShelfFault):
            await shelf.get("k")

    run(scenario, shelf)
