"""One holder at a time on both databases; whoever was relieved can decide nothing, however late it wakes."""

import multiprocessing

import pytest

from seekloop.artifact.ledger import Ledger
from seekloop.artifact.records import Alias
from seekloop.system.errors import LedgerError
from tests.artifact.conftest import KEY


def take(ledger, holder="a", *, seconds=60.0, ended=lambda _: False):
    return ledger.leases.take("loop", holder=holder, seconds=seconds, actor="test", ended=ended)


def move(ledger, lease, *, version=1):
    alias = Alias(name="production", target=f"release:{lease.holder}", version=version, actor="", reason="", at="")
    return ledger.note_next("tick", "a", facts={}, actor="test", after=lease.fence, move=alias)


def test_a_lease_that_is_held_is_not_given_away(both):
    assert take(both).token == 1
    assert take(both, "b") is None
    assert both.leases.find("loop").holder == "a"


def test_a_lease_that_is_over_or_given_back_is_the_next_ones(both, clock):
    first = take(both)
    clock.advance(61)
    second = take(both, "b")
    assert second.token > first.token
    both.leases.give_back(second)
    assert take(both, "c").holder == "c"


def test_a_lease_that_is_kept_lasts(both, clock):
    lease = take(both)
    clock.advance(50)
    assert both.leases.keep(lease, seconds=60)
    clock.advance(50)
    assert take(both, "b") is None


def test_a_holder_that_is_known_to_be_gone_is_relieved_at_once(both):
    take(both)
    assert take(both, "b", ended=lambda holder: holder == "a") is not None


def test_who_was_relieved_can_neither_decide_nor_keep_nor_give_back(both, clock):
    zombie = take(both)
    clock.advance(61)
    holder = take(both, "b")
    move(both, holder)
    with pytest.raises(LedgerError) as caught:
        move(both, zombie, version=2)
    assert caught.value.code == "artifact.decided_since"
    assert not both.leases.keep(zombie, seconds=60)
    both.leases.give_back(zombie)
    assert both.leases.live(both.leases.find("loop"))
    assert both.alias("production").target == "release:b"


def test_every_taking_is_an_event_and_the_row_is_none_of_the_record(both, tamper):
    take(both)
    assert [(one.kind, one.facts["holder"]) for one in both.events(subject="loop")] == [("loop.leased", "a")]
    tamper("DELETE FROM lease")
    assert both.verify() == 1


def race(url, holder, results):
    ledger = Ledger.open(url, key=KEY)
    lease = ledger.leases.take("loop", holder=holder, seconds=60, actor="test", ended=lambda _: False)
    results.put(None if lease is None else lease.token)
    ledger.close()


def test_of_several_processes_that_ask_at_once_one_gets_it(both, database):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    racers = [context.Process(target=race, args=(database, str(number), results)) for number in range(3)]
    for one in racers:
        one.start()
    tokens = [results.get(timeout=60) for _ in racers]
    for one in racers:
        one.join()
    assert sum(token is not None for token in tokens) == 1
