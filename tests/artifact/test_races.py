"""Eight processes on one ledger: nothing is lost, nobody is locked out, the chain is one."""

from __future__ import annotations

import multiprocessing
from collections import Counter

import pytest

from seekloop.artifact.ledger import Ledger
from seekloop.system.errors import LedgerError
from tests.artifact.conftest import KEY

PROCESSES, MOVES = 8, 100


def move(url: str, worker: int, results: multiprocessing.SimpleQueue) -> None:
    """Move the alias `MOVES` times, each from the version that was read before; count what happened."""
    ledger = Ledger.open(url, key=KEY)
    counts: Counter[str] = Counter()
    seen = 0
    for number in range(MOVES):
        try:
            moved = ledger.move_alias(
                "production", f"release:{worker}-{number}", expected_version=seen, actor=str(worker), reason="race"
            )
        except LedgerError as error:
            counts[error.code] += 1
            seen = error.facts["version"]
        else:
            counts["accepted"] += 1
            seen = moved.version
    ledger.close()
    results.put(dict(counts))


def note(url: str, worker: int, results: multiprocessing.SimpleQueue) -> None:
    """Append `MOVES` events."""
    ledger = Ledger.open(url, key=KEY)
    for number in range(MOVES):
        ledger.note("tick", f"{worker}-{number}", facts={}, actor=str(worker))
    ledger.close()
    results.put({"accepted": MOVES})


def race(task, url: str) -> Counter[str]:
    """What eight processes counted together."""
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    children = [context.Process(target=task, args=(url, worker, results)) for worker in range(PROCESSES)]
    for child in children:
        child.start()
    total = sum((Counter(results.get()) for _ in children), Counter())
    for child in children:
        child.join()
    return total


@pytest.fixture
def raced(open_ledger, database):
    """The URL of a ledger that exists and that nobody in this process has open."""
    open_ledger().close()
    return database


def test_eight_processes_that_move_one_alias_lose_no_move_and_meet_no_lock(raced, open_ledger):
    counts = race(move, raced)
    assert set(counts) <= {"accepted", "artifact.alias_moved"}
    assert counts.total() == PROCESSES * MOVES
    ledger = open_ledger()
    history = ledger.alias_history("production")
    assert len(history) == ledger.verify() == counts["accepted"] > 0
    assert [alias.version for alias in history] == list(range(1, len(history) + 1))


def test_eight_processes_that_append_lose_no_event_and_meet_no_lock(raced, open_ledger):
    assert race(note, raced) == {"accepted": PROCESSES * MOVES}
    ledger = open_ledger()
    assert ledger.verify() == PROCESSES * MOVES
    assert len({event.subject for event in ledger.events()}) == PROCESSES * MOVES
