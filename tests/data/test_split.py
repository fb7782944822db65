"""Splits: a partition, stratified, groups whole, decided by each row's own hash."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.artifact.rows import Message, Row, Source
from seekloop.data.spec import SplitSpec
from seekloop.data.split import Sorter
from seekloop.text.shingles import prints

LONG = "Hello, what is the most that I can withdraw at the counter without giving notice?"


def make_row(number: int, label: str | None = "x", text: str | None = None, **meta: str) -> Row:
    messages = (Message(role="user", content=text or f"{number} {number * 7919} {label}"),)
    return Row(id=f"row:{number}", messages=messages, label=label, source=Source(file="f", line=number), meta=meta)


def places(rows: list[Row], *, seed: int = 7, trained: tuple[str, ...] = (), **spec) -> dict[str, str]:
    sorter = Sorter(SplitSpec(**spec), seed=seed)
    sorter.add(rows, trained=[row.id in trained for row in rows], prompts=prints([r.messages[0].content for r in rows]))
    return sorter.assign()


LABELS = st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=40)


@given(LABELS, st.sampled_from(["exact", "stable"]))
def test_every_row_is_in_one_split(labels, assign):
    rows = [make_row(number, label) for number, label in enumerate(labels)]
    result = places(rows, assign=assign)
    assert set(result) == {row.id for row in rows}
    assert set(result.values()) <= {"train", "validation", "test"}


@given(LABELS)
def test_exact_shares_hold_for_every_label(labels):
    rows = [make_row(number, label) for number, label in enumerate(labels)]
    result = places(rows, validation=0.1, test=0.2)
    for label in set(labels):
        count = labels.count(label)
        found = Counter(result[row.id] for row in rows if row.label == label)
        assert found["test"] == int(count * 0.2 + 0.5)
        assert found["validation"] == int(count * 0.1 + 0.5)


@given(LABELS, LABELS)
def test_stable_splits_do_not_move_when_rows_are_added(first, more):
    rows = [make_row(number, label) for number, label in enumerate(first + more)]
    before, after = places(rows[: len(first)], assign="stable"), places(rows, assign="stable")
    assert {name: after[name] for name in before} == before


@given(LABELS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(labels, random):
    rows = [make_row(number, label) for number, label in enumerate(labels)]
    before = places(rows)
    random.shuffle(rows)
    assert places(rows) == before


def test_another_seed_draws_other_rows():
    rows = [make_row(number) for number in range(100)]
    assert places(rows, seed=1) != places(rows, seed=2)


@pytest.mark.parametrize("assign", ["exact", "stable"])
def test_groups_and_near_duplicates_never_straddle(assign):
    rows = [make_row(number, group=f"ticket-{number % 10}") for number in range(60)]
    near = [LONG, LONG.replace("giving", "giving any"), LONG.replace("notice", "notices")]
    rows += [make_row(100 + number, text=text, label=str(number)) for number, text in enumerate(near)]
    result = places(rows, assign=assign)
    for number in range(10):
        assert len({result[row.id] for row in rows if row.meta.get("group") == f"ticket-{number}"}) == 1
    assert len({result[f"row:{100 + number}"] for number in range(3)}) == 1


def test_a_group_goes_along_when_a_later_row_joins_two():
    rows = [make_row(1, group="a"), make_row(2, group="b"), make_row(3, text=LONG, group="a")]
    rows.append(make_row(4, text=LONG, group="b"))
    assert len(set(places(rows, test=0.5, validation=0.0, assign="stable").values())) == 1


def test_fixed_splits_stay_and_validation_is_taken_out_of_train():
    rows = [make_row(number, split="train") for number in range(100)]
    rows += [make_row(number, split="test") for number in range(100, 120)]
    result = places(rows, validation=0.1, test=0.3)
    assert Counter(result.values()) == {"train": 90, "validation": 10, "test": 20}
    assert {name for name, split in result.items() if split == "test"} == {f"row:{n}" for n in range(100, 120)}


def test_what_a_parent_trained_on_is_only_trained_again():
    rows = [make_row(number) for number in range(50)]
    trained = tuple(row.id for row in rows[:30])
    result = places(rows, trained=trained, test=0.5)
    assert {result[name] for name in trained} == {"train"}
    assert "test" in result.values()
