"""The queue of disputed rows: nothing that was decided is lost, and everything that was decided is recorded."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from seekloop.artifact.ledger import Ledger
from seekloop.data.labels.agreement import ratings_of
from seekloop.data.labels.consensus import dawid_skene, majority, proposals
from seekloop.data.labels.decisions import read_decisions
from seekloop.data.labels.items import Guess, Item, Judgement
from seekloop.data.labels.queue import EVENT, Queue, cases
from seekloop.data.labels.taxonomy import Taxonomy
from seekloop.system.clock import SystemClock
from seekloop.system.errors import DataError


def item(name, score=None, **said):
    judgements = tuple(Judgement(rater=rater, labels=tuple(answer.split("+"))) for rater, answer in said.items())
    guesses = () if score is None else (Guess(labels=("fee",), score=score),)
    return Item(id=name, judgements=judgements, guesses=guesses)


ITEMS = [
    item("row:agreed", ann="fee", bob="fee"),
    item("row:alone", ann="fee"),
    item("row:sure", 0.9, ann="fee", bob="card", cy="fee"),
    item("row:unsure", 0.2, ann="fee", bob="card", cy="fee"),
    item("row:torn", ann="fee", bob="card", cy="loan"),
]


@pytest.fixture
def queue(tmp_path):
    return Queue.build(tmp_path / "q", ITEMS, taxonomy=Taxonomy.flat(["fee", "card", "loan"]), clock=SystemClock())


def decide(queue, ledger, row="row:torn", labels=("fee",), **keys):
    return queue.decide(row, labels, by="ann", why="read it", clock=SystemClock(), ledger=ledger, **keys)


def test_the_most_disputed_and_then_the_most_uncertain_stand_first():
    disputed, agreed = cases(ITEMS)
    assert [case.item.id for case in disputed] == ["row:torn", "row:unsure", "row:sure"]
    assert [(one.id, labels) for one, labels in agreed] == [("row:agreed", ("fee",))]


def test_a_decision_is_a_file_and_an_event_with_who_when_and_why(queue, ledger):
    made = decide(queue, ledger)
    event = next(ledger.events(kind=EVENT, subject="row:torn"))
    assert (event.actor, event.facts["why"], event.facts["labels"]) == ("ann", "read it", ["fee"])
    assert read_decisions(queue.folder)["row:torn"] == made
    assert [case.item.id for case in queue.waiting()] == ["row:unsure", "row:sure"]


def test_what_raters_agreed_on_is_decided_without_anybody(queue):
    assert read_decisions(queue.folder)["row:agreed"].labels == ("fee",)
    assert queue.decisions() == {}


def test_a_queue_made_anew_keeps_what_was_decided(queue, ledger):
    decide(queue, ledger)
    more = [*ITEMS, item("row:new", ann="loan", bob="fee")]
    again = Queue.build(queue.folder, more, taxonomy=None, clock=SystemClock())
    assert {case.item.id for case in again.waiting()} == {"row:unsure", "row:sure", "row:new"}


def test_a_decision_whose_writer_was_killed_before_the_ledger_is_recorded_later(queue, ledger, tmp_path):
    decide(queue, ledger)
    other = Ledger.in_folder(tmp_path / "other")
    assert (queue.record(ledger), queue.record(other), queue.record(other)) == (0, 1, 0)
    assert {event.subject for event in other.events(kind=EVENT)} == {"row:torn"}
    other.close()


def test_a_decided_item_is_changed_only_on_purpose_and_both_are_kept(queue, ledger):
    decide(queue, ledger)
    with pytest.raises(DataError) as caught:
        decide(queue, ledger, labels=("card",))
    assert caught.value.code == "labels.decided"
    assert decide(queue, ledger, labels=("card",), revise=True).labels == ("card",)
    assert len(list(ledger.events(kind=EVENT, subject="row:torn"))) == 2


@pytest.mark.parametrize(
    ("row", "label", "code"), [("row:tron", "fee", "labels.no_case"), ("row:torn", "fees", "labels.unknown")]
)
def test_a_mistyped_row_or_label_is_answered_with_the_likely_one(queue, ledger, row, label, code):
    with pytest.raises(DataError) as caught:
        decide(queue, ledger, row=row, labels=(label,))
    assert caught.value.code == code and "did you mean" in caught.value.facts["suggestion"]


def test_a_folder_without_a_queue_is_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        Queue(tmp_path)
    assert caught.value.code == "labels.no_queue"


DECIDING = """
import sys
from pathlib import Path
from seekloop.artifact.ledger import Ledger
from seekloop.data.labels.queue import Queue
from seekloop.system.clock import SystemClock
queue, ledger = Queue(Path(sys.argv[1])), Ledger.in_folder(Path(sys.argv[2]))
for case in queue.waiting():
    queue.decide(case.item.id, ["fee"], by="ann", why="", clock=SystemClock(), ledger=ledger)
    print(case.item.id, flush=True)
"""


@pytest.mark.parametrize("after", [1, 7, 23])
def test_a_killed_process_loses_no_decision_that_it_told_of(tmp_path, after):
    items = [item(f"row:{n:03}", ann="fee", bob="card") for n in range(200)]
    queue = Queue.build(tmp_path / "q", items, taxonomy=None, clock=SystemClock())
    told = []
    command = [sys.executable, "-c", DECIDING, queue.folder, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = [process.stdout.readline().strip() for _ in range(after)]
        process.kill()
        told += process.stdout.read().splitlines()[:-1]
    ledger = Ledger.in_folder(tmp_path)
    queue.record(ledger)
    decided = queue.decisions()
    assert set(told) <= set(decided) and len(decided) + sum(1 for _ in queue.waiting()) == 200
    assert {event.subject for event in ledger.events(kind=EVENT)} == set(decided)
    ledger.verify()
    ledger.close()


def planted(units=300, values=4):
    """Right answers, and five raters: three good ones, one who guesses, one who swaps two values."""
    random = np.random.default_rng(3)
    truth = random.integers(values, size=units)
    noise = random.integers(values, size=(units, 5))
    keep = random.random((units, 5)) < [0.8, 0.75, 0.7, 0.1, 0.9]
    said = np.where(keep, truth[:, None], noise)
    said[:, 4] = np.array([1, 0, 2, 3])[said[:, 4]]
    said[random.random((units, 5)) < 0.2] = -1
    return truth, said


def test_dawid_and_skene_see_through_raters_that_guess_or_swap():
    truth, said = planted()
    found = dawid_skene(said, values=4)
    by_vote = (majority(said, values=4).argmax(axis=1) == truth).mean()
    by_skill = (found.posterior.argmax(axis=1) == truth).mean()
    assert by_skill > by_vote + 0.05
    assert found.skill[3] < min(found.skill[:3])
    assert found.posterior.sum(axis=1) == pytest.approx(np.ones(len(truth)))


def test_several_labels_are_proposed_one_by_one():
    items = [item(f"row:{n}", a="fee+card", b="fee+card", c="fee") for n in range(4)] + [
        item("row:x", a="loan", b="loan", c="loan")
    ]
    made = proposals(ratings_of(items))
    assert made[0].labels == ("card", "fee") and made[-1].labels == ("loan",)
    assert made[0].by == "dawid-skene"
