"""The arithmetic of rates and budgets."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from seekloop.serve.access.account import SECOND, Account, Bucket
from seekloop.serve.limits import Limits

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
steps = st.lists(st.integers(0, 3 * SECOND), max_size=60)


@given(st.integers(1, 50), st.sampled_from([1, 7, 60]), steps)
def test_in_no_stretch_of_time_come_more_than_a_full_bucket_and_its_refill(requests, per_s, pauses):
    bucket, now, let_in = Bucket(requests=requests, per_s=per_s), 10**18, []
    for pause in pauses:
        now += pause
        assert (bucket.wait(now) == 0) == (bucket.left(now) > 0)
        if not bucket.wait(now):
            bucket.take(now)
            let_in.append(now)
    for first, start in enumerate(let_in):
        for last in range(first, len(let_in)):
            assert last - first + 1 <= requests + (let_in[last] - start) // bucket.interval


@given(st.integers(1, 50), st.sampled_from([1, 60]), steps)
def test_whoever_waits_as_long_as_told_is_let_in_and_not_before(requests, per_s, pauses):
    bucket, now = Bucket(requests=requests, per_s=per_s), 10**18
    for pause in pauses:
        now += pause
        bucket.take(now)
    wait = bucket.wait(now)
    assert bucket.left(now + wait) >= 1
    assert not wait or bucket.left(now + wait - 1) == 0


asked = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 400), st.floats(0, 1), st.booleans(), st.integers(0, 40_000)),
    max_size=40,
)


@given(st.integers(1, 2000), st.integers(1, 4000), asked)
def test_what_is_used_and_held_never_passes_a_budget(day_limit, month_limit, requests):
    account, now = Account(Limits(tokens_day=day_limit, tokens_month=month_limit, cost_day=day_limit * 2)), NOON
    under_way = []
    for prompt, most, share, settles, pause in requests:
        now += dt.timedelta(seconds=pause)
        held = (prompt + most, 2 * (prompt + most))
        refusal = account.take(now, tokens=held[0], cost=held[1])
        if refusal is None:
            under_way.append((now.date().isoformat(), held, prompt + int(most * share)))
        else:
            assert refusal.need > refusal.left
            assert refusal.retry_s > 0
        if settles and under_way:
            day, held, used = under_way.pop(0)
            account.settle(day, held=held, used=(used, 2 * used))
        by_day = {day: counts.tokens + counts.held_tokens for day, counts in account.own.items()}
        assert all(total <= day_limit for total in by_day.values())
        assert all(sum(v for d, v in by_day.items() if d[:7] == m) <= month_limit for m in {d[:7] for d in by_day})
        assert all(counts.held_tokens >= 0 and counts.tokens >= 0 for counts in account.own.values())
    for day, held, used in under_way:
        account.settle(day, held=held, used=(used, 2 * used))
    assert account.holding == []


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(1, 100)), max_size=60))
def test_two_processes_that_exchange_figures_share_one_budget(turns):
    """Without a pause between an exchange and a request, together they let in what one would."""
    limits = Limits(tokens_day=500, requests=20, per_s=3600)
    both, now = [Account(limits), Account(limits)], NOON
    alone = Account(limits)
    for who, tokens in turns:
        for reader, writer in ((0, 1), (1, 0)):
            rows = [both[writer].row(day, key="k", process=str(writer), now=now) for day in both[writer].own]
            both[reader].merge(rows, process=str(reader), now=now, fresh=0)
        mine, one = (account.take(now, tokens=tokens, cost=0) for account in (both[who], alone))
        assert (mine is None) == (one is None)


def test_what_a_dead_process_held_is_free_again_and_what_it_used_is_not():
    limits = Limits(tokens_day=100)
    dead, alive = Account(limits), Account(limits)
    dead.take(NOON, tokens=30, cost=0)
    dead.settle("2026-11-22", held=(30, 0), used=(20, 0))
    dead.take(NOON, tokens=60, cost=0)
    row = dead.row("2026-11-22", key="k", process="dead", now=NOON)
    alive.merge([row], process="alive", now=NOON, fresh=row.at)
    assert alive.windows(NOON)[0].left == 20
    alive.merge([row], process="alive", now=NOON, fresh=row.at + 1)
    assert alive.windows(NOON)[0].left == 80


def test_a_process_that_comes_later_finds_the_bucket_as_it_was_left():
    limits = Limits(requests=60, per_s=60)
    first, second = Account(limits), Account(limits)
    for _ in range(60):
        assert first.take(NOON, tokens=1, cost=0) is None
    later = NOON + dt.timedelta(seconds=5)
    second.restore([first.row("2026-11-22", key="k", process="1", now=NOON)], process="2", fresh=0)
    assert second.bucket.left(round(later.timestamp() * SECOND)) == 5


def test_an_answer_that_ends_after_midnight_is_paid_by_the_day_it_was_asked_on():
    account = Account(Limits(tokens_day=100))
    late = dt.datetime(2026, 11, 30, 23, 59, 59, tzinfo=dt.UTC)
    assert account.take(late, tokens=100, cost=0) is None
    refusal = account.take(late, tokens=1, cost=0)
    assert refusal.retry_s == 1
    assert account.take(late + dt.timedelta(seconds=1), tokens=100, cost=0) is None
    account.settle("2026-11-30", held=(100, 0), used=(40, 0))
    assert account.own["2026-11-30"].tokens == 40


def test_a_month_begins_anew_on_its_first_day():
    account = Account(Limits(tokens_month=100))
    account.take(dt.datetime(2026, 12, 31, 12, tzinfo=dt.UTC), tokens=100, cost=0)
    refusal = account.take(dt.datetime(2026, 12, 31, 12, tzinfo=dt.UTC), tokens=1, cost=0)
    assert refusal.retry_s == 12 * 3600
    assert account.take(dt.datetime(2027, 1, 1, tzinfo=dt.UTC), tokens=100, cost=0) is None
