"""The next round: compared against the rounds before by their index, which need not be read again."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seekloop.artifact.rows import Message, Row, Source
from seekloop.data.leak import Guard, Settled
from seekloop.data.spec import FilterSpec
from seekloop.system.errors import ArtifactError
from seekloop.text.complete import CompleteIndex
from seekloop.text.shingles import prints
from tests.killing import fill_the_disk, forked

LONG = "Hello, what is the most that I can withdraw at the counter without giving notice?"


def row(number: int, text: str) -> Row:
    return Row(id=f"row:{number}", messages=(Message(role="user", content=text),), source=Source(file="f", line=1))


def records(count: int, *, start: int = 0) -> list[dict[str, str]]:
    return [
        {"text": f"{number} {number * 7919} {number * 104729}", "reply": f"answer {number}"}
        for number in range(start, start + count)
    ]


def spec(name: str, **keys) -> dict:
    return {"sources": [{"path": name}], **keys}


def test_an_index_that_was_kept_guards_as_the_rows_do(tmp_path):
    known = Settled(CompleteIndex(0.9))
    known.add("test", [row(1, LONG), row(2, "我的卡丢了怎么办")])
    known.add("train", [row(3, "how do I change my address")])
    known.save(tmp_path / "index")
    fresh, kept = Guard(0.9), Guard(0.9)
    fresh.join(known)
    kept.join(Settled.load(tmp_path / "index"))
    marks = prints([LONG + " please", "我的卡丢了怎么办？", "How do I change my address?", "something else"])
    standings = kept.check(marks, [None] * 4)
    assert standings == fresh.check(marks, [None] * 4)
    assert [standing.twin and (standing.twin.reason, standing.twin.id) for standing in standings] == [
        ("leak_test", "row:1"),
        ("leak_test", "row:2"),
        None,
        None,
    ]
    assert [standing.trained for standing in standings] == [False, False, True, False]


def test_a_full_disk_leaves_nothing_of_an_index(tmp_path):
    known = Settled(CompleteIndex(0.9))
    known.add("test", [row(1, LONG)])

    def save() -> str:
        fill_the_disk()
        try:
            known.save(tmp_path / "index")
        except ArtifactError as error:
            return error.code
        return "saved"

    assert forked(save) == (0, "system.disk_full")
    assert list(tmp_path.iterdir()) == []


def test_a_large_dataset_leaves_its_index_and_the_next_round_does_not_read_its_rows(write, make, room, said):
    first = make(spec(write("a.jsonl", records(6_000))))
    (kept,) = room.work.glob("index-*")
    written = kept.stat().st_mtime_ns
    old = [{"text": r.messages[-2].content, "reply": "again"} for r in first.rows["test"][:3]]
    new = spec(write("b.jsonl", [*records(50, start=9_000), *old]))
    with_index = make(new, parent=first.dataset)
    assert with_index.dataset.dropped == {"leak_test": 3}
    assert kept.stat().st_mtime_ns == written
    shutil.rmtree(kept)
    assert make(new, parent=first.dataset).dataset.id == with_index.dataset.id
    (kept / "index.npz").write_bytes(b"torn")
    assert make(new, parent=first.dataset).dataset.id == with_index.dataset.id
    assert any("the index is damaged and is made again" in line for line in said.lines)


def test_a_small_dataset_leaves_nothing_in_the_work_folder(write, make, room):
    make(spec(write("a.jsonl", records(40))))
    assert list(room.work.iterdir()) == []


def test_the_report_shows_twins_side_by_side(write, make, room):
    rows = [{"text": LONG, "reply": "r"}, {"text": LONG.upper(), "reply": "r"}, {"text": LONG + " x", "reply": "r"}]
    made = make(spec(write("a.jsonl", [*records(30), *rows])))
    report = json.loads(room.store.path(made.dataset.id, "report.json").read_text("utf-8"))
    assert report["dropped"] == made.dataset.dropped == {"duplicate_exact": 1, "duplicate_near": 1}
    (exact,), (near,) = report["pairs"]["duplicate_exact"], report["pairs"]["duplicate_near"]
    assert (exact["text"], exact["twin_text"]) == (LONG.upper(), LONG)
    assert (near["text"], near["twin_text"]) == (LONG + " x", LONG)
    assert {pair["row"] for pair in (exact, near)} == {row.id for row in made.rows["dropped"]}


@pytest.mark.parametrize(
    ("other", "reason"),
    [("Please send me 100 euros at once", None), ("Please do not send me 20 euros at once", None),
     ("Please send mee 20 euros at once", "duplicate_near")],
)  # fmt: skip
def test_unlabelled_rows_that_differ_in_a_number_or_a_negation_both_stay(write, make, other, reason):
    rows = [{"text": "Please send me 20 euros at once", "reply": "Sure"}, {"text": other, "reply": "Sure"}]
    dataset = make(spec(write("a.jsonl", [*records(30), *rows]))).dataset
    assert dataset.dropped == ({reason: 1} if reason else {})


TEXTS = st.sampled_from(["", "a b", "A B.", LONG, LONG + " x", "我的卡丢了怎么办", "我的卡丟了怎麼辦", "test test"])
RECORDS = st.lists(st.fixed_dictionaries({"text": TEXTS, "reply": st.sampled_from(["r", "s", ""])}), max_size=14)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORDS, RECORDS)
def test_two_rounds_balance_and_nothing_tested_is_trained(write, make, first, second):
    keys = {"filter": {"min_chars": FilterSpec().min_chars}, "split": {"test": 0.4}}
    before = make(spec(write("a.jsonl", records(8) + first), **keys))
    after = make(spec(write("b.jsonl", records(8, start=100) + second), **keys), parent=before.dataset)
    for made, rows in ((before, first), (after, second)):
        names = ("train", "validation", "test", "dropped")
        ids = [one.id for name in names for one in made.rows[name]]
        assert len(ids) == len(set(ids)) == made.dataset.rows == 8 + len(rows)
    tested = Settled(CompleteIndex(0.9))
    for made in (before, after):
        tested.add("test", made.rows["test"])
    trained = [one for made in (before, after) for one in made.rows["train"]]
    assert len(tested.index.matches(prints([one.messages[0].content for one in trained])).new) == 0
