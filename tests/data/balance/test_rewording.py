"""Later epochs see train rows in other words: files of the dataset, like nothing held out, erased with a person."""

from __future__ import annotations

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import read_rows
from seekloop.data.erase import erase
from seekloop.data.wording import asked

ROWS = [
    {
        "text": f"please cancel the big order number {n} now, I do not want to buy it any more, thank you",
        "intent": "cancel_order" if n % 2 else "cancel_other",
        "customer": f"C{n % 4}",
    }
    for n in range(40)
]
PLAIN = {"dedupe": {"near": False}, "split": {"similarity": 1.0}}


def reworded(write, make, **epochs):
    spec = {**PLAIN, "sources": [{"path": write("rows.jsonl", ROWS)}], "epochs": {"count": 3, **epochs}}
    return make(spec).dataset


def rows_of(room, dataset, name):
    return list(read_rows(room.store.path(dataset.id, name)))


def test_each_later_epoch_has_a_file_of_rows_in_other_words(write, make, room):
    dataset = reworded(write, make)
    train = {row.id: row for row in rows_of(room, dataset, "train.jsonl")}
    second, third = rows_of(room, dataset, "epoch-2.jsonl"), rows_of(room, dataset, "epoch-3.jsonl")
    assert second and third and "epoch-4.jsonl" not in dataset.files
    for row in second:
        own = train[row.meta["augmented_from"]]
        assert asked(row) != asked(own)
        assert (row.label, row.messages[-1]) == (own.label, own.messages[-1])
    assert [asked(row) for row in second] != [asked(row) for row in third]
    assert dataset.rows == sum(dataset.splits.values()) + sum(dataset.dropped.values())


def test_the_same_spec_gives_the_same_words(write, make):
    assert reworded(write, make).id == reworded(write, make).id


def test_a_variant_like_a_test_row_is_not_made(write, make, room):
    # At a threshold that every variant of these rows reaches, none may stay: all look like some test row.
    spec = {"sources": [{"path": write("rows.jsonl", ROWS)}], "split": {"similarity": 1.0}, "epochs": {"count": 2}}
    dataset = make({**spec, "dedupe": {"near": False, "similarity": 0.5}}).dataset
    assert rows_of(room, dataset, "epoch-2.jsonl") == []


def test_erasing_a_person_takes_their_rows_in_other_words_too(write, make, room):
    dataset = reworded(write, make)
    assert any(row.subject == "C1" for row in rows_of(room, dataset, "epoch-2.jsonl"))
    new = room.store.open(erase("C1", ctx=room).replaced[dataset.id], Dataset)
    left = [row for name in new.files if name.endswith(".jsonl") for row in rows_of(room, new, name)]
    assert "C1" not in {row.subject for row in left}
    assert rows_of(room, new, "epoch-2.jsonl")
