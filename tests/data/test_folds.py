"""K-fold views: every row validated once, no group in two folds, sizes and labels even."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.folds import EVERY, Folds, assign_folds
from seekloop.data.mix import REPORT as MIX_REPORT
from seekloop.system.errors import UsageError
from tests.data.test_synthesise import said_anew

rows = st.lists(st.tuples(st.integers(0, 25), st.sampled_from("xyz")), max_size=80).map(
    lambda pairs: [(f"r{n}", f"g{group}", label) for n, (group, label) in enumerate(pairs)]
)


@given(rows=rows, k=st.integers(2, 7), seed=st.integers(0, 3))
def test_every_row_is_in_one_fold_and_no_group_in_two(rows, k, seed):
    folds = assign_folds(rows, k=k, seed=seed)
    assert set(folds) == {row for row, _, _ in rows}
    assert set(folds.values()) <= set(range(k))
    by_group = defaultdict(set)
    for row, group, _ in rows:
        by_group[group].add(folds[row])
    assert all(len(found) == 1 for found in by_group.values())


@given(rows=rows, k=st.integers(2, 7))
def test_sizes_differ_by_the_largest_group_at_most(rows, k):
    folds = assign_folds(rows, k=k, seed=0)
    sizes = [Counter(folds.values())[number] for number in range(k)]
    largest = max(Counter(group for _, group, _ in rows).values(), default=0)
    assert max(sizes) - min(sizes) <= largest


@given(labels=st.lists(st.sampled_from("xyz"), max_size=60), k=st.integers(2, 6))
def test_single_rows_spread_every_label(labels, k):
    folds = assign_folds([(f"r{n}", f"g{n}", label) for n, label in enumerate(labels)], k=k, seed=1)
    for label in "xyz":
        found = Counter(folds[f"r{n}"] for n, one in enumerate(labels) if one == label)
        assert max(found.values(), default=0) - min((found[number] for number in range(k)), default=0) <= 2


def test_the_seed_decides_between_equals():
    rows = [(f"r{n}", f"g{n}", "x") for n in range(40)]
    assert assign_folds(rows, k=4, seed=1) == assign_folds(rows, k=4, seed=1)
    assert assign_folds(rows, k=4, seed=1) != assign_folds(rows, k=4, seed=2)


@pytest.fixture
def tickets(write):
    """50 rows in groups of two; the last is a near duplicate of the first."""
    texts = [" ".join(said_anew([n], 1)) for n in range(49)]
    texts.append(texts[0] + " x")
    rows = [{"text": text, "intent": f"i{n % 2}", "ticket": f"t{n // 2}"} for n, text in enumerate(texts)]
    return {
        "sources": [{"path": write("rows.jsonl", rows), "columns": {"group": "ticket"}}],
        "compose": {"answer": "label"},
        "split": {"similarity": 0.8},
        "dedupe": {"near": False},
    }


def folds_of(made, room) -> Folds:
    return Folds.read(room.store.path(made.dataset.id, "folds.json"))


def test_train_and_validation_rows_have_folds_and_test_rows_none(make, tickets, room):
    made = make({**tickets, "folds": 5})
    folds = folds_of(made, room)
    inside = [row.id for name in ("train", "validation") for row in made.rows[name]]
    assert sorted(folds.of) == sorted(inside)
    assert sorted(row for number in range(5) for row in folds.validation(number)) == sorted(inside)
    assert folds.train(2) | folds.validation(2) == set(inside)
    assert folds.train(2).isdisjoint(folds.validation(2))


def test_groups_and_near_duplicates_stay_together(make, tickets, room):
    made = make({**tickets, "split": {"similarity": 0.8, "test": 0}, "folds": 4})
    folds = folds_of(made, room)
    places = defaultdict(set)
    everything = [*made.rows["train"], *made.rows["validation"]]
    for row in everything:
        places[row.meta["group"]].add(folds.of[row.id])
    assert {len(found) for found in places.values()} == {1}
    alike = sorted(everything, key=lambda row: row.source.line)
    assert folds.of[alike[0].id] == folds.of[alike[-1].id]


def test_copies_are_trained_with_their_row_and_never_validated(make, tickets, room):
    made = make({**tickets, "folds": 3, "mix": {"by": "label", "rows": 60}})
    folds = folds_of(made, room)
    copies = {row.id: row.meta["mixed_from"] for row in made.rows["train"] if "mixed_from" in row.meta}
    assert copies
    assert folds.made == set(copies)
    assert all(folds.of[copy] == folds.of[row] for copy, row in copies.items())
    assert set(copies).isdisjoint(row for number in range(3) for row in folds.validation(number))
    assert room.store.path(made.dataset.id, MIX_REPORT).exists()


def test_replayed_rows_are_trained_in_every_view(make, tickets, write, room):
    before = make(tickets)
    new = [{"text": " ".join(said_anew(["new", n], 1)), "intent": "i0"} for n in range(30)]
    spec = {"sources": [{"path": write("new.jsonl", new)}], "compose": {"answer": "label"}, "replay": {"rows": 5}}
    made = make({**spec, "folds": 3}, parent=before.dataset)
    folds = folds_of(made, room)
    replayed = {row.id for row in made.rows["train"] if "replayed_from" in row.meta}
    assert len(replayed) == 5
    assert {folds.of[row] for row in replayed} == {EVERY}
    assert replayed <= folds.train(0) & folds.train(1) & folds.train(2)


def test_one_fold_is_none(make, tickets):
    with pytest.raises(UsageError) as caught:
        make({**tickets, "folds": 1})
    assert caught.value.code == "system.spec_bad_value"
