"""A person is found in every corpus and dataset, and erased without touching anybody else."""

from __future__ import annotations

import pytest

from seekloop.artifact import lineage
from seekloop.artifact.kinds import Checkpoint, Corpus, Dataset
from seekloop.artifact.rows import read_rows
from seekloop.data.erase import EraseSpec, erase
from seekloop.data.subjects import whereabouts
from seekloop.system.errors import DataError

PEOPLE = ("C1", "13812345678", "138-1234-5678", "C2", None)
FILES = ("train", "validation", "test", "dropped", "calibration")


@pytest.fixture
def made(write, make):
    """A dataset of sixty rows of five people, one of them under two written forms of a telephone number."""
    rows = [
        {"text": f"my card number {n} of the week does not work", "label": "card", "customer": PEOPLE[n % 5]}
        for n in range(60)
    ]
    return make({"sources": [{"path": write("rows.jsonl", rows)}], "dedupe": {"near": False}})


def rows_of(room, identity, names=FILES):
    return {name: list(read_rows(room.store.path(identity, f"{name}.jsonl"))) for name in names}


def test_a_person_is_found_by_the_id_in_clear_and_by_the_pseudonym(made, room):
    found = whereabouts("+86 13812345678", ctx=room)
    assert {holding.artifact.partition(":")[0]: holding.count for holding in found.holdings} == {
        "corpus": 24,
        "dataset": 24,
    }
    assert "138" not in found.person
    assert whereabouts(found.person, ctx=room).holdings == found.holdings


def test_what_was_made_from_a_persons_rows_is_named(made, room):
    found = whereabouts("C1", ctx=room)
    assert (found.trained, found.derived, found.unreadable) == ((), (), ())
    spec = EraseSpec(of=made.dataset.id, person="nobody")
    with room.job("tune", spec) as job:
        keys = {"form": "adapter", "family": "tiny", "precision": "f32", "parameters": 1}
        checkpoint = job.commit(Checkpoint(parents={"dataset": made.dataset.id}, made_by=job.origin, **keys))
    assert whereabouts("C1", ctx=room).trained == (checkpoint.id,)


def test_erasing_takes_the_persons_rows_and_nobody_elses(made, room):
    done = erase("13812345678", ctx=room)
    new = room.store.open(done.replaced[made.dataset.id], Dataset)
    for name, before in made.rows.items():
        left = [row for row in before if row.subject != done.found.person]
        assert list(read_rows(room.store.path(new.id, f"{name}.jsonl"))) == left
    assert new.rows == made.dataset.rows - 24
    assert new.rows == sum(new.splits.values()) + sum(new.dropped.values())
    assert all(
        holding.artifact not in done.replaced.values() for holding in whereabouts("13812345678", ctx=room).holdings
    )


def test_the_new_dataset_comes_from_the_new_corpus(made, room):
    done = erase("C1", ctx=room)
    new = room.store.open(done.replaced[made.dataset.id], Dataset)
    corpus = room.store.open(new.parents["corpus"], Corpus)
    assert corpus.id == done.replaced[made.dataset.parents["corpus"]]
    assert corpus.rows == 48


def test_no_file_of_the_new_dataset_names_a_row_of_theirs_and_what_was_made_of_them_goes_too(write, make, room):
    rows = [
        {"text": f"please block card {n} now", "label": "a" if n % 4 else "b", "customer": f"C{n % 6}"}
        for n in range(48)
    ]
    ways = {"min_rows_per_label": 60, "ways": ["resample"], "copies_per_row": 5}
    mix = {"by": "label", "temperature": 3}
    made = make(
        {
            "sources": [{"path": write("rows.jsonl", [*rows, *rows[:6]])}],
            "dedupe": {"near": False},
            "split": {"similarity": 1.0},
            "balance": ways,
            "mix": mix,
            "folds": 2,
        }
    )
    assert made.dataset.added["resample"]
    assert made.dataset.added["mix"]
    done = erase("C1", ctx=room)
    new = room.store.open(done.replaced[made.dataset.id], Dataset)
    theirs = {row.id for rows in made.rows.values() for row in rows if row.subject == "C1"}
    text = "".join(room.store.path(new.id, name).read_text("utf-8") for name in new.files)
    assert theirs
    assert not [identity for identity in theirs if f'"{identity}"' in text]
    assert new.rows + sum(new.added.values()) == sum(new.splits.values()) + sum(new.dropped.values())
    assert sum(new.added.values()) < sum(made.dataset.added.values())


def test_a_copy_that_was_replayed_is_counted_as_replayed(write, make, room):
    rows = [{"text": f"please block card {n} now", "label": "a", "customer": f"C{n % 3}"} for n in range(24)]
    plain = {"dedupe": {"near": False, "similarity": 1.0}, "split": {"similarity": 1.0}}
    ways = {"min_rows_per_label": 60, "ways": ["resample"], "copies_per_row": 5}
    first = make({**plain, "sources": [{"path": write("a.jsonl", rows)}], "balance": ways})
    fresh = write("b.jsonl", [{"text": f"where is parcel {n}", "label": "b", "customer": "C9"} for n in range(8)])
    second = make({**plain, "sources": [{"path": fresh}], "replay": {"rows": 20}}, parent=first.dataset)
    assert any("resampled_from" in row.meta and "replayed_from" in row.meta for row in second.rows["train"])
    new = room.store.open(erase("C1", ctx=room).replaced[second.dataset.id], Dataset)
    left = rows_of(room, new.id)["train"]
    assert new.replay == sum("replayed_from" in row.meta for row in left)
    assert new.rows + sum(new.added.values()) == sum(new.splits.values()) + sum(new.dropped.values())


def test_erasing_is_recorded_without_saying_who(made, room):
    done = erase("13812345678", ctx=room)
    event = next(room.ledger.events(kind=lineage.REWRITTEN))
    assert (event.subject, event.facts["replaced"]) == (done.found.person, done.replaced)
    assert "1234" not in str(event.facts)
    room.ledger.verify()


def test_what_stands_in_the_place_of_a_dataset_has_nobody_who_was_ever_erased_from_it(made, room):
    first, second = erase("C1", ctx=room), erase("C2", ctx=room)
    now = lineage.replacement(made.dataset.id, ledger=room.ledger)
    assert now == second.replaced[first.replaced[made.dataset.id]]
    left = {row.subject for rows in rows_of(room, now).values() for row in rows}
    assert left and not left & {first.found.person, second.found.person}


def test_a_person_who_is_nowhere_is_refused(made, room):
    with pytest.raises(DataError) as caught:
        erase("C9", ctx=room)
    assert caught.value.code == "data.no_such_subject"
