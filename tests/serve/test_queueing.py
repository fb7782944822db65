"""The line in front of the streams: who goes first, who may wait, who is told to come back, and that nobody is lost."""

import asyncio
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.serve.queueing.admission import Admission
from seekloop.serve.queueing.line import Line, Ticket
from seekloop.serve.queueing.options import QueueOptions
from seekloop.serve.queueing.patience import patience
from seekloop.serve.queueing.rates import Rate, Reading
from seekloop.serve.queueing.turn import Turn
from seekloop.system.clock import ManualClock, SystemClock
from seekloop.system.errors import EngineError, UsageError

NEVER = 10**9


class Crowd:
    """A line, everybody who ever came to it, and what became of each."""

    def __init__(self, *, streams=2, read_per_s=None, **options):
        self.options = QueueOptions(**options)
        self.line = Line(streams=streams, options=self.options)
        self.streams, self.read_per_s, self.now = streams, read_per_s, 0.0
        self.waiting, self.inside, self.ended = [], [], []
        self.started = []
        """Who was let in out of the queue, each with those who waited at that moment."""

    def enter(self, tier=1, tokens=1, patience_s=NEVER, *, yields=False):
        back = (lambda: None) if yields else None
        ticket = Ticket(tier=tier, tokens=tokens, came=self.now, deadline=self.now + patience_s, back=back)
        self._move(self.line.settle(self.now))
        try:
            moves = self.line.enter(ticket, now=self.now, read_per_s=self.read_per_s)
        except EngineError as error:
            self.ended.append((ticket, error.code))
            return error
        self._move(moves)
        (self.inside if ticket.place == "inside" else self.waiting).append(ticket)
        return ticket

    def leave(self, index=0):
        ticket = self.inside.pop(index % len(self.inside))
        self.ended.append((ticket, "done"))
        self._move(self.line.leave(ticket, now=self.now))

    def drop(self, index):
        ticket = self.waiting.pop(index % len(self.waiting))
        self.ended.append((ticket, "dropped"))
        self.line.drop(ticket)

    def _move(self, moves):
        for ticket in moves.shed:
            self.waiting.remove(ticket)
            self.ended.append((ticket, "shed"))
        for ticket in moves.back:
            self.inside.remove(ticket)
            self.waiting.insert(0, ticket)
        for ticket in moves.late:
            self.waiting.remove(ticket)
            self.ended.append((ticket, "late"))
        for ticket in moves.started:
            self.started.append((ticket, [one for one in self.waiting if one is not ticket]))
            self.waiting.remove(ticket)
            self.inside.append(ticket)


COMES = st.tuples(
    st.just("enter"), st.integers(0, 3), st.integers(1, 20), st.sampled_from([0.5, 3.0, 20.0, NEVER]), st.booleans()
)
STEPS = st.lists(
    st.one_of(
        COMES,
        COMES,
        st.tuples(st.just("leave"), st.integers(0, 20)),
        st.tuples(st.just("drop"), st.integers(0, 20)),
        st.tuples(st.just("pass"), st.floats(0, 5)),
    ),
    min_size=20,
    max_size=60,
)
BOUNDS = st.fixed_dictionaries(
    {
        "streams": st.integers(1, 4),
        "max_requests": st.integers(0, 8),
        "max_tokens": st.integers(1, 200),
        "tier_requests": st.none() | st.integers(0, 4),
        "tier_tokens": st.none() | st.integers(1, 100),
        "reserved": st.none() | st.integers(0, 5),
        "reserve_s": st.floats(0, 10),
        "turn": st.integers(2, 5),
        "sent_back": st.integers(0, 2),
        "read_per_s": st.none() | st.floats(0.1, 100),
    }
)


def walk(crowd, steps):
    """Do the steps, and yield after each one."""
    for step, *numbers in steps:
        if step == "enter":
            *numbers, yields = numbers
            crowd.enter(*numbers, yields=yields)
        elif step == "pass":
            crowd.now += numbers[0]
        elif step == "leave" and crowd.inside:
            crowd.leave(*numbers)
        elif step == "drop" and crowd.waiting:
            crowd.drop(*numbers)
        yield


@given(STEPS, BOUNDS)
def test_never_more_than_the_streams_are_inside_and_no_bound_is_passed(steps, bounds):
    crowd = Crowd(**bounds)
    options = crowd.options
    for _ in walk(crowd, steps):
        assert crowd.line.inside == len(crowd.inside) <= crowd.streams
        assert crowd.line.waiting == len(crowd.waiting) <= options.max_requests
        assert crowd.line.tokens == sum(one.tokens for one in crowd.waiting)
        assert crowd.line.tokens <= options.max_tokens or crowd.line.waiting == 1
        for tier in range(4):
            queue = [one.tokens for one in crowd.waiting if one.tier == tier]
            assert options.tier_requests is None or len(queue) <= options.tier_requests
            assert options.tier_tokens is None or sum(queue) <= options.tier_tokens or len(queue) == 1


@given(STEPS, BOUNDS)
def test_nobody_is_lost_and_nobody_is_there_twice(steps, bounds):
    crowd = Crowd(**bounds)
    for _ in walk(crowd, steps):
        everybody = [*crowd.waiting, *crowd.inside, *(one for one, _ in crowd.ended)]
        assert len(everybody) == len({id(one) for one in everybody})
    while crowd.inside:
        crowd.leave()
    crowd.now = NEVER
    crowd._move(crowd.line.settle(crowd.now))
    assert (crowd.line.inside, crowd.line.waiting, crowd.line.tokens) == (0, 0, 0)
    assert not crowd.waiting


@given(STEPS, BOUNDS)
def test_within_a_tier_who_came_first_goes_first_and_a_higher_tier_goes_before(steps, bounds):
    crowd = Crowd(streams=bounds["streams"], reserved=bounds["reserved"], turn=NEVER)
    for _ in walk(crowd, steps):
        pass
    for ticket, others in crowd.started:
        assert all((ticket.tier, ticket.came) <= (other.tier, other.came) for other in others)


@given(STEPS, BOUNDS)
def test_nobody_is_started_after_the_deadline(steps, bounds):
    crowd = Crowd(turn=bounds["turn"], reserved=bounds["reserved"])
    seen = 0
    for _ in walk(crowd, steps):
        assert all(ticket.deadline > crowd.now for ticket, _ in crowd.started[seen:])
        seen = len(crowd.started)


@given(STEPS, BOUNDS)
def test_nobody_is_sent_back_more_often_than_allowed_or_for_a_tier_that_is_not_the_highest(steps, bounds):
    crowd = Crowd(**bounds)
    before = 0
    for (step, *numbers), _ in zip(steps, walk(crowd, steps), strict=True):
        everybody = [*crowd.waiting, *crowd.inside, *(one for one, _ in crowd.ended)]
        assert all(one.sent_back <= crowd.options.sent_back for one in everybody)
        assert all(one.sent_back == 0 for one in everybody if one.tier == 0 or one.back is None)
        assert crowd.line.sent_back == sum(one.sent_back for one in everybody)
        assert crowd.line.sent_back == before or (step, numbers[0]) == ("enter", 0)
        before = crowd.line.sent_back


@given(STEPS, BOUNDS)
def test_a_stream_is_idle_only_where_it_is_kept_for_tier_0_or_nobody_waits(steps, bounds):
    crowd = Crowd(**{**bounds, "reserve_s": 0.0, "reserved": 0})
    for _ in walk(crowd, steps):
        assert not crowd.waiting or len(crowd.inside) == crowd.streams


def test_a_low_tier_gets_its_turn_while_a_high_one_always_waits():
    crowd = Crowd(streams=1, turn=4)
    crowd.enter(tier=0)
    low = [crowd.enter(tier=tier) for tier in (2, 1)]
    for _ in range(12):
        crowd.enter(tier=0)
        crowd.leave()
    assert [ticket.tier for ticket, _ in crowd.started] == [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0]
    assert all(ticket.place == "outside" for ticket in low)


def test_once_tier_0_was_there_a_part_of_the_streams_is_kept_for_it_for_a_while():
    crowd = Crowd(streams=4, reserved=2, reserve_s=60)
    full = [crowd.enter(tier=1).place for _ in range(4)]
    crowd.enter(tier=0)
    for _ in range(5):
        crowd.leave()
        crowd.enter(tier=1)
    assert full == ["inside"] * 4
    assert len(crowd.inside) == 2
    assert crowd.enter(tier=0).place == "inside"
    crowd.now = 61
    crowd.enter(tier=1)
    assert len(crowd.inside) == 4


def test_tier_0_takes_the_stream_of_the_lowest_that_began_last_and_that_one_is_next():
    crowd = Crowd(streams=4, reserved=0)
    kept, first, second, higher = (crowd.enter(tier=tier, yields=yields) for tier, yields in TAKEN)
    others = [crowd.enter(tier=2) for _ in range(2)]
    high = crowd.enter(tier=0)
    assert (high.place, second.place, crowd.waiting) == ("inside", "waiting", [second, *others])
    assert (kept.place, first.place, higher.place) == ("inside",) * 3
    crowd.leave(crowd.inside.index(high))
    assert [second.place, *(one.place for one in others)] == ["inside", "waiting", "waiting"]


TAKEN = [(2, False), (2, True), (2, True), (1, True)]


def test_whoever_was_sent_back_often_enough_keeps_the_stream_and_tier_0_waits():
    crowd = Crowd(streams=1, reserved=0, sent_back=1)
    low = crowd.enter(tier=2, yields=True)
    crowd.enter(tier=0)
    crowd.leave()
    assert (low.place, low.sent_back) == ("inside", 1)
    assert crowd.enter(tier=0).place == "waiting"


def test_tier_0_does_not_overtake_its_own_by_taking_a_stream():
    crowd = Crowd(streams=1, reserved=0)
    low = crowd.enter(tier=2)
    first = crowd.enter(tier=0)
    low.back = lambda: None
    assert crowd.enter(tier=0).place == "waiting"
    crowd.leave()
    assert first.place == "inside"


@pytest.mark.parametrize("bounds", [{"max_requests": 0}, {"tier_requests": 0}])
def test_nobody_is_sent_back_to_a_queue_without_room(bounds):
    crowd = Crowd(streams=1, reserved=0, **bounds)
    low = crowd.enter(tier=2, yields=True)
    assert crowd.enter(tier=0).code == "queueing.full"
    assert low.place == "inside"


def test_a_queue_that_is_full_loses_its_newest_to_the_one_that_is_sent_back():
    crowd = Crowd(streams=1, max_requests=2)
    low = crowd.enter(tier=2, yields=True)
    first, second = crowd.enter(tier=2), crowd.enter(tier=2)
    crowd.enter(tier=0)
    assert crowd.ended == [(second, "shed")]
    assert crowd.waiting == [low, first]


def test_nobody_is_sent_back_whose_deadline_is_over():
    crowd = Crowd(streams=1)
    low = crowd.enter(tier=2, patience_s=5, yields=True)
    crowd.now = 6
    assert crowd.enter(tier=0).place == "waiting"
    assert low.place == "inside"


def test_tier_0_at_an_eighth_of_ten_times_too_much_waits_for_no_other_tier():
    """As `bench/serve_overload.py`, in counted ticks: eight streams, eight ticks an answer."""
    crowd, chance, ends, late = Crowd(streams=8), random.Random(7), {}, 0
    for crowd.now in range(3_000):
        for ticket in [one for one in crowd.inside if ends.get(one) == crowd.now]:
            crowd.leave(crowd.inside.index(ticket))
        for tier in [0] * (chance.random() < 1 / 8) + [2] * 10:
            ticket = crowd.enter(tier=tier, yields=True)
            late += tier == 0 and ticket.place != "inside"
        ends = {one: ends.get(one, crowd.now + 8) for one in crowd.inside}
    done = [ticket.tier for ticket, why in crowd.ended if why == "done"]
    assert late == 0
    assert done.count(2) > 10 * crowd.line.sent_back > 0
    assert max(one.sent_back for one, _ in crowd.ended if isinstance(one, Ticket)) <= 2


def test_a_reserve_always_leaves_one_stream_to_the_others():
    crowd = Crowd(streams=2, reserved=9)
    crowd.enter(tier=0)
    assert crowd.enter(tier=1).place == "inside"


def test_a_high_tier_takes_the_place_of_the_newest_of_the_lowest():
    crowd = Crowd(streams=1, max_requests=3)
    crowd.enter()
    first, second, third = (crowd.enter(tier=tier) for tier in (1, 2, 2))
    assert crowd.enter(tier=0).place == "waiting"
    assert [(one, why) for one, why in crowd.ended] == [(third, "shed")]
    assert (first.place, second.place) == ("waiting", "waiting")
    assert crowd.enter(tier=2).code == "queueing.full"


def test_nobody_is_sent_away_for_a_prompt_that_would_not_fit_even_then():
    crowd = Crowd(streams=1, max_tokens=10)
    crowd.enter()
    crowd.enter(tier=0, tokens=8)
    crowd.enter(tier=2, tokens=2)
    assert crowd.enter(tier=1, tokens=5).code == "queueing.full"
    assert len(crowd.waiting) == 2


def test_as_many_prompt_tokens_wait_as_are_read_within_the_target():
    crowd = Crowd(streams=1, target_first_token_s=2.0, read_per_s=50.0)
    crowd.enter(tokens=1000)
    assert crowd.enter(tier=1, tokens=60).place == "waiting"
    assert crowd.enter(tier=1, tokens=41).code == "queueing.reading"
    assert crowd.enter(tier=1, tokens=40).place == "waiting"
    assert crowd.enter(tier=0, tokens=100).place == "waiting", "who waits below is not in front of it"
    assert crowd.enter(tier=1, tokens=1).code == "queueing.reading"


def test_a_long_prompt_may_wait_where_nobody_is_in_front():
    crowd = Crowd(streams=1, target_first_token_s=1.0, read_per_s=10.0, max_tokens=100)
    crowd.enter()
    assert crowd.enter(tokens=500).place == "waiting"


def test_who_is_refused_is_told_to_come_back_when_those_in_front_are_gone_as_fast_as_it_went():
    crowd = Crowd(streams=1, max_requests=4)
    for _ in range(5):
        crowd.enter()
    first = crowd.enter().facts["retry_s"]
    for _ in range(4):
        crowd.now += 2.0
        crowd.leave()
        crowd.enter()
    assert (first, crowd.enter().facts["retry_s"]) == (1, 10)
    crowd.now += 1000.0
    assert crowd.enter().facts["retry_s"] == 60, "nothing went out for a long time"


def test_a_rate_is_a_ratio_of_sums_so_a_burst_is_not_its_fastest_moment():
    rate = Rate()
    assert rate.per_s() is None
    for seconds in (4.0, 0.0, 0.0, 0.0):
        rate.add(100, seconds)
    assert 90 < rate.per_s() < 150
    assert rate.per_s(pending_s=4.0) < 70


def test_prompts_that_are_read_together_count_as_one_stretch_of_time():
    reading = Reading()
    with reading.of(100, now=0.0) as one, reading.of(100, now=0.0) as two, reading.of(50, now=1.0):
        one.done(2.0)
        two.done(2.0)
        two.done(9.0)
        assert reading.tokens == 50
    assert reading.tokens == 0
    assert reading.per_s == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"x-request-timeout": "2.5"}, 2.5),
        ({"x-stainless-read-timeout": "600"}, 600.0),
        ({"x-request-timeout": "1", "x-stainless-timeout": "9"}, 1.0),
        ({"x-stainless-read-timeout": "None"}, None),
    ],
)
def test_a_client_may_say_how_long_it_waits(headers, seconds):
    assert patience(headers) == seconds


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf", ""])
def test_what_is_no_time_is_refused(value):
    with pytest.raises(UsageError) as refused:
        patience({"x-request-timeout": value})
    assert refused.value.code == "queueing.not_seconds"


def admission(*, streams=1, clock=None, **options):
    return Admission(streams=streams, options=QueueOptions(**options), clock=clock or SystemClock())


async def enter(queue, tier=1, **more):
    return await queue.enter(tier=tier, tokens=1, read_per_s=None, **more)


async def waits(queue, tier=1, **more):
    """A task that is in the queue when this returns."""
    before = queue.waiting
    task = asyncio.create_task(enter(queue, tier, **more))
    while queue.waiting == before:
        await asyncio.sleep(0)
    return task


def test_a_waiter_that_is_cancelled_leaves_no_trace():
    async def scenario():
        queue = admission()
        inside = await enter(queue)
        gone, stays = await waits(queue), await waits(queue)
        gone.cancel()
        await asyncio.wait({gone})
        queue.leave(inside)
        queue.leave(await stays)
        return queue.inside, queue.waiting, queue.waiting_tokens, queue._turns

    assert asyncio.run(scenario()) == (0, 0, 0, {})


@pytest.mark.parametrize("first", ["leave", "cancel"])
def test_who_gives_up_at_the_moment_of_its_turn_gives_the_stream_on(first):
    async def scenario():
        queue = admission()
        inside = await enter(queue)
        gone, stays = await waits(queue), await waits(queue)
        for step in ["leave", "cancel"] if first == "leave" else ["cancel", "leave"]:
            queue.leave(inside) if step == "leave" else gone.cancel()
        await asyncio.wait({gone})
        queue.leave(await stays)
        return gone.cancelled(), queue.inside

    assert asyncio.run(scenario()) == (True, 0)


@pytest.mark.parametrize("told", [{"patience_s": 0.01}, {}])
def test_who_waits_longer_than_allowed_is_refused_and_never_started(told):
    async def scenario():
        queue = admission(timeout_s=30.0 if told else 0.01)
        inside = await enter(queue)
        with pytest.raises(EngineError) as late:
            await enter(queue, **told)
        queue.leave(inside)
        return late.value.code, queue.inside, queue.waiting

    assert asyncio.run(scenario()) == ("queueing.late", 0, 0)


def test_a_deadline_is_held_against_the_gateways_clock():
    async def scenario():
        clock = ManualClock()
        queue = admission(clock=clock)
        inside = await enter(queue)
        late, fine = await waits(queue, patience_s=5), await waits(queue, patience_s=20)
        clock.advance(10)
        queue.leave(inside)
        queue.leave(await fine)
        with pytest.raises(EngineError) as refused:
            await late
        return refused.value.code, refused.value.facts["seconds"]

    assert asyncio.run(scenario()) == ("queueing.late", 10)


def test_who_is_sent_away_for_a_higher_tier_hears_of_it():
    async def scenario():
        queue = admission(max_requests=1)
        await enter(queue)
        low = await waits(queue, tier=2)
        high = asyncio.create_task(enter(queue, 0))
        with pytest.raises(EngineError) as shed:
            await low
        high.cancel()
        return shed.value.code

    assert asyncio.run(scenario()) == "queueing.shed"


def test_a_queue_that_closes_refuses_those_who_wait():
    async def scenario():
        queue = admission()
        inside = await enter(queue)
        task = await waits(queue)
        queue.close()
        codes = []
        for work in (task, enter(queue)):
            with pytest.raises(EngineError) as closing:
                await work
            codes.append(closing.value.code)
        queue.leave(inside)
        return codes, queue.inside, queue.waiting

    assert asyncio.run(scenario()) == (["serve.closing"] * 2, 0, 0)


def test_a_turn_that_is_taken_stops_the_work_waits_and_does_it_again():
    async def scenario():
        queue, done, undone = admission(), [], []
        ready = asyncio.Event()

        async def work():
            done.append("begun")
            ready.set()
            if len(done) == 1:
                await asyncio.Event().wait()
            return "answer"

        turn = Turn(queue, await enter(queue, 2))
        task = asyncio.create_task(turn.through(work, undo=lambda: undone.append(len(done))))
        await ready.wait()
        high = await enter(queue, 0)
        places = queue.inside, queue.waiting
        queue.leave(high)
        answer = await task
        turn.leave()
        return answer, places, undone, turn.sent_back, (queue.inside, queue.waiting)

    assert asyncio.run(scenario()) == ("answer", (1, 1), [1], 1, (0, 0))


@pytest.mark.parametrize("how", ["cancel", "close", "late"])
def test_a_turn_that_is_taken_and_never_comes_again_leaves_no_trace(how):
    async def scenario():
        queue = admission()
        turn = Turn(queue, await enter(queue, 2, patience_s=0.01 if how == "late" else None))
        task = asyncio.create_task(turn.through(asyncio.Event().wait, undo=lambda: None))
        await asyncio.sleep(0)
        high = await enter(queue, 0)
        if how == "cancel":
            task.cancel()
        elif how == "close":
            queue.close()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        turn.leave()
        queue.leave(high)
        told = ended.code if isinstance(ended, EngineError) else type(ended).__name__
        return told, (queue.inside, queue.waiting, queue._turns, queue._again)

    said = {"cancel": "CancelledError", "close": "serve.closing", "late": "queueing.late"}
    assert asyncio.run(scenario()) == (said[how], (0, 0, {}, {}))


def test_what_is_still_stopping_is_not_stopped_twice():
    async def scenario():
        queue, begun, stopped = admission(), [], asyncio.Event()

        async def work():
            begun.append(len(begun))
            if len(begun) == 1:
                try:
                    await asyncio.Event().wait()
                finally:
                    await stopped.wait()
            return "answer"

        turn = Turn(queue, await enter(queue, 2))
        task = asyncio.create_task(turn.through(work, undo=lambda: None))
        await asyncio.sleep(0)
        queue.leave(await enter(queue, 0))
        places = [(queue.inside, queue.waiting)]
        high = await waits(queue, 0)
        stopped.set()
        answer = await task
        turn.leave()
        queue.leave(await high)
        return answer, begun, turn.sent_back, [*places, (queue.inside, queue.waiting)]

    assert asyncio.run(scenario()) == ("answer", [0, 1], 1, [(1, 0), (0, 0)])


VISITS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 5), st.booleans()), max_size=25)


@given(VISITS, st.integers(1, 3), st.integers(0, 6))
def test_whoever_comes_leaves_or_gives_up_the_queue_is_empty_in_the_end(visits, streams, room):
    async def scenario():
        queue = admission(streams=streams, max_requests=room)
        most = 0

        async def visit(tier, delay, stay):
            nonlocal most
            for _ in range(delay):
                await asyncio.sleep(0)
            try:
                ticket = await enter(queue, tier)
            except EngineError:
                return
            try:
                most = max(most, queue.inside)
                for _ in range(stay):
                    await asyncio.sleep(0)
            finally:
                queue.leave(ticket)

        tasks = [asyncio.create_task(visit(*one[:3])) for one in visits]
        for task, (*_, leaves), turn in zip(tasks, visits, itertools.count(), strict=False):
            await asyncio.sleep(0)
            if leaves and turn % 2:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return most <= streams, queue.inside, queue.waiting, queue.waiting_tokens, len(queue._turns)

    assert asyncio.run(scenario()) == (True, 0, 0, 0, 0)
