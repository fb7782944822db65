"""Keys of the ledger: given out once, verified slowly the first time, followed ever after."""

import asyncio
import datetime as dt

import pytest

from seekloop.serve.access import secret
from seekloop.serve.access.issue import Grant, issue, moment, rotate
from seekloop.serve.access.options import AccessOptions
from seekloop.serve.caller import Role
from seekloop.serve.keys import Keyring
from seekloop.serve.limits import Limits
from seekloop.system.clock import ManualClock, SystemClock
from seekloop.system.errors import EngineError, LedgerError, UsageError

CLOCK = SystemClock()


@pytest.fixture
def make(ctx):
    """Makes a key in the ledger."""

    def _make(name="app", **grant):
        return issue(Grant(name=name, **grant), ledger=ctx.ledger, clock=CLOCK, actor="li", reason="test")

    return _make


def with_ring(ctx, work, *, clock=None, poll_s=0.05):
    """What `work(ring)` gives, with a keyring over the ledger."""

    async def run():
        ring = Keyring({}, ledger=ctx.ledger, options=AccessOptions(poll_s=poll_s), clock=clock)
        await ring.start()
        try:
            return await work(ring)
        finally:
            await ring.close()

    return asyncio.run(run())


async def code_of(ring, key):
    """The code that a key is refused with; None: it is taken."""
    try:
        ring.known(f"Bearer {key}") or await ring.identify(f"Bearer {key}")
    except (UsageError, LedgerError, EngineError) as error:
        return error.code
    return None


def test_a_key_says_who_holds_it(ctx, make):
    limits = Limits.parse(rate="60/min", tokens=["1e6/day"])
    credential, key = make(role=Role.REVIEWER, tenant="bank", tier=0, limits=limits)
    caller = with_ring(ctx, lambda ring: ring.identify(f"Bearer {key}"))
    assert (caller.name, caller.tenant, caller.role, caller.tier) == ("app", "bank", Role.REVIEWER, 0)
    assert (caller.limits, caller.key) == (limits, credential.id)
    assert key.startswith(f"{credential.id}_")


def test_the_secret_is_nowhere_in_the_ledger(ctx, make, tmp_path):
    _, key = make()
    (event,) = ctx.ledger.events(kind="key.created")
    assert event.facts["digest"].startswith("$argon2id$")
    assert key.rpartition("_")[2] not in str(event)


def test_a_verified_key_is_known_at_once_and_compared_once(ctx, make):
    _, key = make()

    async def work(ring):
        assert ring.known(f"Bearer {key}") is None
        callers = await asyncio.gather(*(ring.identify(f"Bearer {key}") for _ in range(20)))
        return ring.known(f"Bearer {key}"), callers, ring.compared

    known, callers, compared = with_ring(ctx, work)
    assert {known, *callers} == {known}
    assert compared == 1


def test_made_up_keys_are_refused_before_anything_slow(ctx, make):
    credential, key = make()

    async def work(ring):
        forged = [secret.make(lambda *parts: "0" * 16, identity=credential.id)[1] for _ in range(500)]
        assert {await code_of(ring, one) for one in [*forged, key[:-1], f"{key}0", "sl_", "x"]} == {"serve.no_key"}
        return ring.compared

    assert with_ring(ctx, work) == 0


@pytest.mark.parametrize("poll_s", [0.05])
def test_a_revoked_key_is_refused_although_it_was_remembered(ctx, make, poll_s):
    credential, key = make()

    async def work(ring):
        assert await code_of(ring, key) is None
        ctx.ledger.credentials.revoke(credential.id, actor="li", reason="leaked")
        async with asyncio.timeout(1):
            while await code_of(ring, key) is None:
                await asyncio.sleep(0.01)
        return await code_of(ring, key)

    assert with_ring(ctx, work, poll_s=poll_s) == "access.key_revoked"


def test_a_key_that_was_made_a_moment_ago_is_taken(ctx, make):
    async def work(ring):
        await asyncio.sleep(0.15)
        _, key = await asyncio.to_thread(make)
        return await code_of(ring, key)

    assert with_ring(ctx, work, poll_s=1.0) is None


def test_a_rotated_key_works_beside_the_former_one_only_for_its_grace(ctx, make):
    credential, old = make()
    clock = ManualClock(dt.datetime.now(dt.UTC))
    new = rotate(credential, ledger=ctx.ledger, clock=clock, grace_s=60, actor="li", reason="yearly")

    async def work(ring):
        before = [await code_of(ring, old), await code_of(ring, new)]
        clock.advance(301)
        await ring.refresh()
        return before, [await code_of(ring, old), await code_of(ring, new)]

    before, after = with_ring(ctx, work, clock=clock)
    assert before == [None, None]
    assert after == ["access.key_replaced", None]


def test_a_key_that_was_renewed_a_moment_ago_is_taken(ctx, make):
    credential, old = make()

    async def work(ring):
        said = {"ledger": ctx.ledger, "clock": CLOCK, "actor": "li", "reason": "yearly"}
        new = await asyncio.to_thread(rotate, credential, **said)
        return await code_of(ring, new), await code_of(ring, old)

    assert with_ring(ctx, work, poll_s=1.0) == (None, "access.key_replaced")


def test_an_expired_key_is_refused_although_it_was_remembered(ctx, make):
    clock = ManualClock(dt.datetime.now(dt.UTC))
    _, key = make(expires_at=clock.now() + dt.timedelta(seconds=60))

    async def work(ring):
        first = await code_of(ring, key)
        clock.advance(61)
        await ring.refresh()
        return first, await code_of(ring, key)

    assert with_ring(ctx, work, clock=clock) == (None, "access.key_expired")


def test_no_issued_key_counts_once_nobody_can_know_whether_it_still_does(ctx, make):
    clock = ManualClock(dt.datetime.now(dt.UTC))
    _, key = make()

    async def work(ring):
        assert await code_of(ring, key) is None
        clock.advance(11)
        return await code_of(ring, key)

    assert with_ring(ctx, work, clock=clock, poll_s=1.0) == "access.keys_unread"


@pytest.mark.parametrize("name", ["", "local", "a b", "-a", "a" * 65, "oidc:x", "ä"])
def test_a_name_that_could_be_taken_for_another_is_refused(make, name):
    with pytest.raises(UsageError) as refused:
        make(name)
    assert refused.value.code == "access.name_bad"


def test_times_to_come():
    now = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    assert moment("90d", now=now) == now + dt.timedelta(days=90)
    assert moment("2027-01-31", now=now) == dt.datetime(2027, 1, 31, tzinfo=dt.UTC)
    for text in ("0d", "2026-11-21", "soon", "90", "999999w"):
        with pytest.raises(UsageError) as refused:
            moment(text, now=now)
        assert refused.value.code == "access.moment_bad"
