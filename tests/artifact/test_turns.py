"""Processes that write one SQLite ledger all the time take turns."""

import multiprocessing

from seekloop.artifact.ledger import Answer, Ledger
from seekloop.artifact.turns import Turns

ROWS, MOST = 60, 6000
NAMES = "ab"
"""Of the writers; one that the other kept out would let it come to the most."""


def answer(identity):
    figures = {"finish_reason": "stop", "prompt_tokens": 1, "completion_tokens": 1, "first_token_ms": 1.0}
    said = {"messages": [{"role": "user", "content": "Hi"}], "content": "Hello", "total_ms": 1.0}
    return Answer(id=identity, release="release:1", at="2026-01-01T00:00:00+00:00", caller="test", **said, **figures)


def write(folder, place, written):
    """Write answers one by one, without a pause, until both writers have written enough: one may begin late."""
    ledger = Ledger.in_folder(folder)
    while min(written) < ROWS and written[place] < MOST:
        ledger.record_answers([answer(f"{NAMES[place]}-{written[place]}")])
        written[place] += 1
    ledger.close()


def test_neither_of_two_busy_writers_waits_for_the_other_to_end(tmp_path):
    Ledger.in_folder(tmp_path).close()
    context = multiprocessing.get_context("spawn")
    written = context.Array("i", [0, 0], lock=False)
    writers = [context.Process(target=write, args=(tmp_path, place, written)) for place in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    ledger = Ledger.in_folder(tmp_path)
    order = "".join(row.id[0] for row in ledger.answers())
    ledger.close()
    assert [order.count(name) for name in NAMES] == list(written)
    assert max(written) < MOST
    assert order.count("ab") + order.count("ba") > ROWS // 4


def test_a_turn_that_is_never_given_back_is_not_waited_for_for_ever(tmp_path):
    stuck, other = Turns(tmp_path / "x.db"), Turns(tmp_path / "x.db")
    entered = []
    with stuck.turn(), other.turn():
        entered.append(other)
    assert entered
    stuck.close()
    other.close()


def test_an_answer_that_comes_again_is_recorded_once_with_those_beside_it(tmp_path):
    ledger = Ledger.in_folder(tmp_path)
    ledger.record_answers([answer("a")])
    ledger.record_answers([answer("b"), answer("a"), answer("c")])
    assert [row.id for row in ledger.answers()] == ["a", "b", "c"]
    assert ledger.verify() == 3
    ledger.close()
