"""Nobody is shown what another has, no word is lost, and two who disagree are settled by a third."""

from __future__ import annotations

import csv
import dataclasses
import json
import threading

import pytest

from seekloop.artifact.ledger import Ledger
from seekloop.learn.mining.selection import Pick
from seekloop.learn.review import fill, read_board, sheets, standing
from seekloop.learn.review.desk import Desk
from seekloop.system.errors import SeekloopError
from tests.learn.conftest import answer
from tests.learn.review.turning import Clock

LABELS = ("card_lost", "wrong_fee")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def desk_of(ledger, clock):
    """The desk of a reviewer of four queued answers."""
    ledger.record_answers([dataclasses.replace(answer(n), release="release:1") for n in range(6)])

    def make(reviewer="ann", *, opinions=1, **given):
        picks = [Pick(answer=f"ans_{n:04x}", score=0.9 - n / 10, reasons=("disagreement",)) for n in range(4)]
        fill(picks, ledger, actor="test", opinions=opinions)
        return Desk(ledger, reviewer=reviewer, clock=clock, form="label_then_text", labels=LABELS, **given)

    return make


def state(ledger, number=0):
    return read_board(ledger).cases[f"ans_{number:04x}"].state


def refused(call, *words, **given):
    with pytest.raises(SeekloopError) as caught:
        call(*words, **given)
    return caught.value.code


def test_an_answer_is_queued_once(desk_of, ledger):
    desk_of()
    desk_of()
    assert len(list(ledger.events(kind="review.queued"))) == 4


def test_two_people_are_shown_different_answers_and_each_the_same_again(desk_of):
    ann, bob = desk_of(), desk_of("bob")
    assert (ann.next().answer, bob.next().answer, ann.next().answer) == ("ans_0000", "ans_0001", "ans_0000")


def test_what_somebody_let_lie_is_shown_to_the_next_one(desk_of, clock):
    ann, bob = desk_of(lease_s=60), desk_of("bob", lease_s=60)
    ann.next()
    clock.move(61)
    assert bob.next().answer == "ans_0000"


def test_a_decision_is_one_event_and_said_again_it_is_none(desk_of, ledger):
    desk = desk_of()
    assert desk.decide("ans_0000", "correct", label="wrong_fee", correction="We refund it.", reason="refund")
    assert not desk.decide("ans_0000", "correct", label="wrong_fee", correction="We refund it.", reason="refund")
    (event,) = ledger.events(kind="review.decided")
    assert (event.subject, event.actor) == ("ans_0000", "ann")
    told = {name: event.facts[name] for name in ("decision", "label", "reason", "before", "state")}
    wanted = {"decision": "correct", "label": "wrong_fee", "reason": "refund", "before": None, "state": "settled"}
    assert told == wanted


def test_the_text_of_a_correction_is_not_in_the_chain_and_goes_with_its_answer(desk_of, ledger):
    desk_of().decide("ans_0000", "correct", label="wrong_fee", correction="We refund Ms Miller.")
    assert "Miller" not in json.dumps([event.facts for event in ledger.events()])
    assert standing(ledger)["ans_0000"].correction == "We refund Ms Miller."
    ledger.erase("ans_0000", actor="test", reason="asked")
    assert standing(ledger)["ans_0000"].correction is None
    assert ledger.verify()


def test_a_later_word_replaces_the_earlier_one_and_the_chain_keeps_both(desk_of, ledger):
    desk = desk_of()
    desk.decide("ans_0000", "discard")
    desk.decide("ans_0000", "accept")
    assert standing(ledger)["ans_0000"].decision == "accept"
    first, second = ledger.events(kind="review.decided")
    assert second.facts["before"] == {"seq": first.seq, "decision": "discard", "label": None}
    assert len(read_board(ledger).cases["ans_0000"].history) == 2


def test_of_two_opinions_the_second_person_does_not_hear_the_first(desk_of, ledger):
    ann, bob = desk_of(opinions=2), desk_of("bob")
    ann.decide("ans_0000", "accept", reason="fine")
    shown = bob.next()
    assert (shown.answer, shown.mine, shown.correction) == ("ans_0000", None, "")
    assert (state(ledger), standing(ledger)["ans_0000"].decision) == ("waiting", None)


def test_two_who_agree_settle_it_and_a_third_is_not_asked(desk_of, ledger):
    for name in ("ann", "bob"):
        desk_of(name, opinions=2).decide("ans_0000", "accept")
    assert state(ledger) == "settled"
    assert desk_of("eve").next().answer == "ans_0001"


def test_two_who_disagree_are_settled_by_a_third(desk_of, ledger):
    desk_of("ann", opinions=2).decide("ans_0000", "accept")
    desk_of("bob").decide("ans_0000", "correct", label="wrong_fee", correction="We refund it.")
    assert (state(ledger), standing(ledger)["ans_0000"].decision) == ("disputed", None)
    assert [event.facts["state"] for event in ledger.events(kind="review.decided")] == ["waiting", "disputed"]
    eve = desk_of("eve")
    assert eve.next().answer == "ans_0000"
    eve.decide("ans_0000", "correct", label="wrong_fee", correction="It is refunded.")
    stands = standing(ledger)["ans_0000"]
    assert (stands.state, stands.label, stands.correction) == ("settled", "wrong_fee", "It is refunded.")


def test_who_is_not_sure_asks_for_two_others(desk_of, ledger):
    ann = desk_of()
    assert ann.doubt(ann.next().answer)
    bob, eve = desk_of("bob"), desk_of("eve")
    bob.decide(bob.next().answer, "accept")
    assert state(ledger) == "waiting"
    eve.decide(eve.next().answer, "accept")
    assert state(ledger) == "settled"


def test_an_erased_answer_is_passed_over(desk_of, ledger):
    desk = desk_of()
    ledger.erase("ans_0000", actor="test", reason="asked")
    assert desk.next().answer == "ans_0001"
    assert refused(desk.decide, "ans_0000", "accept") == "artifact.erased"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"decision": "maybe"}, "review.no_decision"),
        ({"decision": "correct"}, "review.not_whole"),
        ({"decision": "correct", "label": "wrong_fee"}, "review.not_whole"),
        ({"decision": "correct", "correction": "a text without a label"}, "review.not_whole"),
        ({"decision": "correct", "label": "card_lost", "correction": "We block it."}, "review.not_whole"),
        ({"decision": "accept", "label": "wrong_fee"}, "review.not_whole"),
        ({"decision": "discard", "reason": "x" * 501}, "review.too_long"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(desk_of, ledger, said, code):
    assert refused(desk_of().decide, "ans_0000", **said) == code
    assert not list(ledger.events(kind="review.decided"))


def test_many_people_at_once_are_shown_different_answers(tmp_path, desk_of, clock):
    desk_of()
    shown, gate = [], threading.Barrier(4)

    def look(name):
        with_own = Ledger.in_folder(tmp_path)
        gate.wait()
        shown.append(Desk(with_own, reviewer=name, clock=clock).next().answer)
        with_own.close()

    threads = [threading.Thread(target=look, args=[f"person-{n}"]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(shown) == [f"ans_{n:04x}" for n in range(4)]


@pytest.mark.parametrize("name", ["queue.csv", "queue.jsonl"])
def test_a_sheet_goes_out_and_comes_back(desk_of, tmp_path, ledger, name):
    desk = desk_of()
    assert sheets.write(tmp_path / name, desk) == 4
    if name.endswith("csv"):
        with (tmp_path / name).open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.DictReader(file))
    else:
        lines = [json.loads(line) for line in (tmp_path / name).read_text("utf-8").splitlines()]
    lines[0] |= {"decision": "accept"}
    lines[1] |= {"decision": "correct", "label": "wrong_fee", "correction": "-5 % 已退款"}
    with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
        if name.endswith("csv"):
            sheet = csv.DictWriter(file, sheets.COLUMNS)
            sheet.writeheader()
            sheet.writerows(lines)
        else:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    taken = sheets.read(tmp_path / name, desk)
    assert (taken.lines, taken.decided, taken.gaps) == (4, 2, 2)
    assert standing(ledger)["ans_0001"].correction == "-5 % 已退款"
    assert sheets.write(tmp_path / name, desk) == 4
    again = sheets.read(tmp_path / name, desk)
    assert (again.decided, again.again, again.gaps) == (0, 2, 2)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ans_0001,maybe,,\n", "queue.csv:3"),
        ("ans_ffff,accept,,\n", "queue.csv:3"),
        (",accept,,\n", "queue.csv:3"),
        ("ans_0001,correct,,\n", "queue.csv:3"),
    ],
)
def test_a_bad_line_is_named_and_nothing_of_the_file_is_decided(desk_of, ledger, tmp_path, line, problem):
    (tmp_path / "queue.csv").write_text(f"answer,decision,label,correction\nans_0000,accept,,\n{line}", "utf-8")
    with pytest.raises(SeekloopError) as caught:
        sheets.read(tmp_path / "queue.csv", desk_of())
    assert (caught.value.code, caught.value.facts["where"]) == ("review.bad_line", problem)
    assert not list(ledger.events(kind="review.decided"))


def test_a_cell_is_no_formula(desk_of, ledger, tmp_path):
    ledger.record_answers([dataclasses.replace(answer(9), content="=1+1", release="release:1")])
    fill([Pick(answer="ans_0009", score=1.0, reasons=())], ledger, actor="test")
    sheets.write(tmp_path / "queue.csv", desk_of())
    assert "'=1+1" in (tmp_path / "queue.csv").read_text("utf-8-sig")


def test_the_queue_is_in_order_of_filling_whoever_reads_it(desk_of, ledger):
    desk_of()
    assert [case.answer for case in read_board(ledger).in_order()] == [f"ans_{n:04x}" for n in range(4)]


def test_who_fills_the_queue_and_who_decides_do_not_stop_each_other(tmp_path, desk_of, ledger, clock):
    desk_of()
    ledger.record_answers([dataclasses.replace(answer(n), release="release:1") for n in range(20, 40)])
    gate = threading.Barrier(3)

    def add(first):
        own = Ledger.in_folder(tmp_path)
        gate.wait()
        fill([Pick(answer=f"ans_{n:04x}", score=0.1, reasons=()) for n in range(first, 36)], own, actor="test")
        own.close()

    threads = [threading.Thread(target=add, args=[first]) for first in (20, 24)]
    for thread in threads:
        thread.start()
    desk = Desk(ledger, reviewer="ann", clock=clock)
    gate.wait()
    for number in range(4):
        desk.decide(f"ans_{number:04x}", "accept")
    for thread in threads:
        thread.join()
    queued = [event.subject for event in ledger.events(kind="review.queued")]
    assert len(queued) == len(set(queued)) == 20
    assert len(list(ledger.events(kind="review.decided"))) == 4
