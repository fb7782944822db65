"""Balance in a dataset: train rows only, counted apart, never like what is held out, the same every time."""

from __future__ import annotations

import json
from random import Random

import pytest

from seekloop.data.wording import asked
from seekloop.text.similarity import similarity

SUBJECTS = ["card", "transfer", "loan", "address", "app", "fee"]
WORDS = ["refund", "order", "money", "today", "please", "help", "lost", "wrong", "check", "phone", "quickly", "later"]


def saying(subject, number):
    """A message like no other: words drawn for it alone."""
    random = Random(f"{subject} {number}")
    made = ["".join(random.choices("bcdfghklmnprst", k=3)) + random.choice("aeiou") for _ in range(6)]
    return f"my {subject}, {' '.join(random.sample(WORDS, 3))} {' '.join(made)}"


def tickets(sizes):
    sized = zip(SUBJECTS, sizes, strict=False)
    return [{"text": saying(subject, n), "intent": subject} for subject, size in sized for n in range(size)]


@pytest.fixture
def spec(write):
    def of(sizes=(40, 20, 10), **balance):
        name = write("t.jsonl", tickets(sizes))
        base = {"sources": [{"path": name}], "dedupe": {"near": False}, "split": {"similarity": 1.0}}
        return {**base, **({"balance": balance} if balance else {})}

    return of


def ids(made, split):
    return [row.id for row in made.rows[split]]


def test_labels_are_filled_up_in_train_and_nowhere_else(spec, make):
    before, after = make(spec()), make(spec(min_rows_per_label=25))
    assert [ids(after, split) for split in ("validation", "test", "calibration")] == [
        ids(before, split) for split in ("validation", "test", "calibration")
    ]
    by_label = {label: sum(row.label == label for row in after.rows["train"]) for label in SUBJECTS[:3]}
    assert by_label == {"card": 28, "transfer": 25, "loan": 25}


def test_made_rows_are_counted_apart_and_say_where_they_come_from(spec, make):
    made = make(spec(min_rows_per_label=25))
    own = {row.id for row in make(spec()).rows["train"]}
    fresh = [row for row in made.rows["train"] if row.id not in own]
    assert made.dataset.rows == 70 and sum(made.dataset.added.values()) == len(fresh) > 0
    assert len({row.id for row in made.rows["train"]}) == made.dataset.splits["train"] == len(own) + len(fresh)
    assert {row.meta.get("augmented_from", row.meta.get("resampled_from")) for row in fresh} <= own


def test_nothing_is_made_that_is_like_a_held_out_row(spec, make):
    made = make(spec((8, 30, 4), min_rows_per_label=24))
    held = [asked(row) for split in ("validation", "test") for row in made.rows[split]]
    fresh = [asked(row) for row in made.rows["train"] if "augmented_from" in row.meta]
    assert fresh and max(similarity(one, other) for one in fresh for other in held) < 0.9


def test_the_same_seed_makes_the_same_dataset(spec, make):
    assert make(spec(min_rows_per_label=25)).dataset.id == make(spec(min_rows_per_label=25)).dataset.id


def test_rows_over_the_cap_are_dropped_with_their_reason(spec, make):
    made = make(spec(min_rows_per_label=1, max_rows_per_label=10))
    assert made.dataset.dropped == {"over_cap": len(made.rows["dropped"])}
    assert {row.dropped for row in made.rows["dropped"]} == {"over_cap"}
    assert [sum(row.label == label for row in made.rows["train"]) for label in SUBJECTS[:3]] == [10, 10, 7]


def test_a_total_cap_keeps_the_shares_of_the_labels(spec, make):
    made = make(spec(min_rows_per_label=1, max_rows=14))
    assert [sum(row.label == label for row in made.rows["train"]) for label in SUBJECTS[:3]] == [8, 4, 2]


def test_the_report_says_what_was_planned_made_and_is_still_missing(spec, make, room, said):
    made = make(spec(min_rows_per_label=500, copies_per_row=1))
    report = json.loads(room.store.path(made.dataset.id, "balance.json").read_text("utf-8"))
    lines = {line["label"]: line for line in report["plan"]}
    assert lines["loan"] == {
        "label": "loan", "have": 7, "over": 0, "need": 493, "augment": 21, "resample": 7, "teacher": 465,
    }  # fmt: skip
    kept = {label: sum(row.label == label for row in made.rows["train"]) for label in SUBJECTS[:3]}
    assert report["missing"] == {label: 500 - kept[label] for label in sorted(kept)}
    assert report["teacher"] == "planned, no teacher is named"
    assert any("a teacher could write them" in line for line in said.lines)


def test_smote_says_that_it_makes_no_text(spec, make, said):
    made = make(spec(min_rows_per_label=25, ways=["smote"]))
    assert made.dataset.added == {} and any("cannot make text" in line for line in said.lines)


def test_a_row_of_two_labels_counts_for_both(write, make):
    labels = [["fee", "card"] if n < 8 else ["fee"] for n in range(30)]
    records = [{"text": saying("fee", n), "labels": several} for n, several in enumerate(labels)]
    base = {"sources": [{"path": write("m.jsonl", records)}], "dedupe": {"near": False}, "labels": {"multi": True}}
    made = make({**base, "balance": {"min_rows_per_label": 12, "ways": ["resample"], "copies_per_row": 5}})
    having = [row for row in made.rows["train"] if "card" in (row.labels or (row.label,))]
    assert len(having) == 12 and all(row.labels == ("card", "fee") for row in having)


def test_rows_without_labels_are_left_as_they_are(write, make):
    pairs = [{"prompt": saying("fee", n), "completion": f"answer {n}"} for n in range(20)]
    made = make({"sources": [{"path": write("p.jsonl", pairs)}], "dedupe": {"near": False}, "balance": {}})
    assert made.dataset.added == {}
