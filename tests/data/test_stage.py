"""The data stage: balanced, deterministic, whole or absent, alone or in a later round."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seekloop.data.spec import DataSpec
from seekloop.system.errors import DataError, UsageError

LONG = "Hello, what is the most that I can withdraw at the counter without giving notice?"
WORDS = ["card", "pin", "loan", "fee", "app", "cash", "lost", "new", "why", "help", "rate", "home"]


def tickets(count: int, *, start: int = 0, label: str | None = None) -> list[dict[str, str]]:
    """Different messages of three intents."""
    return [
        {
            "text": " ".join(WORDS[(n * step + n // 12) % 12] for step in (1, 5, 7)) + f" {n}",
            "intent": label or f"intent_{n % 3}",
            "reply": f"answer number {n}",
        }
        for n in range(start, start + count)
    ]


def spec_of(name: str, **keys) -> dict:
    return {"sources": [{"path": name}], "dedupe": {"near": False}, **keys}


def test_every_row_that_came_in_is_somewhere(write, make):
    faults = [{"text": "", "intent": "x", "reply": "y"}, {"text": "no intent", "reply": "y"}, tickets(1)[0]]
    made = make(spec_of(write("a.jsonl", tickets(30) + faults)))
    dataset = made.dataset
    assert dataset.rows == 33
    assert dataset.dropped == {"duplicate_exact": 1, "empty": 1, "missing_label": 1}
    kept = {name: len(made.rows[name]) for name in ("train", "validation", "test")}
    assert kept == dataset.splits == {"train": 21, "validation": 3, "test": 6}
    assert {row.dropped for row in made.rows["dropped"]} == set(dataset.dropped)
    assert dataset.labels == ("intent_0", "intent_1", "intent_2")


def test_dropped_duplicates_name_the_row_that_stands_for_them(write, make):
    made = make(spec_of(write("a.jsonl", [*tickets(9), tickets(1)[0]])))
    twin = made.rows["dropped"][0].twin
    assert twin in {row.id for name in ("train", "validation", "test") for row in made.rows[name]}


def test_the_same_inputs_give_the_same_dataset(write, make):
    name = write("a.jsonl", tickets(30))
    first = make(spec_of(name)).dataset
    assert make(spec_of(name)).dataset.id == first.id
    assert make(spec_of(name, split={"test": 0.3})).dataset.id != first.id


def test_other_dials_do_not_read_anew(write, make):
    name = write("a.jsonl", tickets(30))
    first, second = make(spec_of(name)).dataset, make(spec_of(name, split={"test": 0.3})).dataset
    assert first.parents["corpus"] == second.parents["corpus"]


def test_what_was_done_is_said(write, make, said):
    make(spec_of(write("a.jsonl", tickets(30))))
    assert said.lines[1:] == [
        "answer: label_then_text (30 of 30 rows have a label, 30 an answer)",
        "30 rows in = 21 train + 3 validation + 6 test + 0 dropped (none)",
    ]


def test_a_corpus_that_was_read_before_is_used_as_it_is(write, make, read):
    corpus, _ = read(write("a.jsonl", tickets(30)))
    dataset = make({"sources": [{"path": "gone.jsonl"}]}, corpus=corpus).dataset
    assert dataset.parents == {"corpus": corpus.id}


def test_calibration_is_a_view_of_train(write, make):
    made = make(spec_of(write("a.jsonl", tickets(60)), calibration=10))
    assert made.dataset.calibration == len(made.rows["calibration"]) == 10
    assert {row.id for row in made.rows["calibration"]} <= {row.id for row in made.rows["train"]}


def test_data_that_comes_split_keeps_its_test_rows_and_drops_the_train_rows_that_leak(write, make):
    train = [*tickets(40), {"text": LONG.replace("giving", "giving any"), "intent": "intent_0", "reply": "r"}]
    test = [*tickets(10, start=100), {"text": LONG, "intent": "intent_0", "reply": "r"}]
    sources = [
        {"path": write("train.jsonl", train), "split": "train"},
        {"path": write("test.jsonl", [*test, test[0]]), "split": "test"},
    ]
    made = make({"sources": sources, "dedupe": {"near": False}})
    assert made.dataset.splits == {"train": 37, "validation": 3, "test": 12}
    assert made.dataset.dropped == {"leak_test": 1}
    assert made.rows["dropped"][0].twin in {row.id for row in made.rows["test"]}


def test_a_split_column_fixes_rows(write, make):
    names = ["train"] * 20 + ["dev"] * 3 + ["test"] * 5
    rows = [{**row, "split": name} for row, name in zip(tickets(28), names, strict=True)]
    assert make(spec_of(write("a.jsonl", rows))).dataset.splits == {"train": 20, "validation": 3, "test": 5}


@pytest.mark.parametrize("as_file", [True, False])
def test_declared_labels_name_numbers_and_drop_strangers(write, make, as_file):
    rows = [{"text": f"message {n} {WORDS[n % 12]}", "category": str(n % 3)} for n in range(12)]
    labels = write("labels.json", '["card_lost", "wrong_fee"]') if as_file else ["card_lost", "wrong_fee"]
    dataset = make(spec_of(write("a.jsonl", rows), labels=labels)).dataset
    assert dataset.labels == ("card_lost", "wrong_fee")
    assert (dataset.answer, dataset.dropped) == ("label", {"unknown_label": 4})


def test_a_later_round_replays_old_rows_and_trains_nothing_that_was_tested(write, make):
    first = make(spec_of(write("a.jsonl", tickets(60))))
    tested, trained = first.rows["test"][0], first.rows["train"][0]
    old = [{"text": r.messages[-2].content, "intent": r.label, "reply": "new"} for r in (tested, trained)]
    new = [*tickets(20, start=500, label="standing_order"), *old]
    second = make(spec_of(write("b.jsonl", new), replay={"rows": 12}), parent=first.dataset)
    assert second.dataset.rows == 22 + 12
    assert second.dataset.dropped == {"leak_test": 1}
    assert second.rows["dropped"][0].twin == tested.id
    assert second.dataset.replay == sum("replayed_from" in row.meta for row in second.rows["train"]) == 12
    again = next(row for row in second.rows["train"] if row.messages[-2].content == trained.messages[-2].content)
    assert again.messages[-1].content == f"{trained.label}\nnew"
    assert second.dataset.labels == ("intent_0", "intent_1", "intent_2", "standing_order")
    assert second.dataset.parents["parent"] == first.dataset.id


def test_replay_needs_a_parent(write, make):
    with pytest.raises(UsageError) as caught:
        make(spec_of(write("a.jsonl", tickets(9)), replay={"rows": 3}))
    assert caught.value.code == "data.replay_needs_parent"


def test_a_later_round_keeps_the_form_of_answer(write, make):
    first = make(spec_of(write("a.jsonl", tickets(30))))
    with pytest.raises(UsageError) as caught:
        make(spec_of(write("b.jsonl", tickets(9, start=90)), compose={"answer": "text"}), parent=first.dataset)
    assert caught.value.code == "data.answer_differs"


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({}, "data.no_sources"),
        ({"sources": [{"path": "nowhere.csv"}]}, "data.not_found"),
        ({"sources": [{"path": "a.jsonl"}], "labels": "a.jsonl"}, "data.bad_labels"),
        ({"sources": [{"path": "a.jsonl"}], "filter": {"min_chars": 400}}, "data.nothing_left"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_no_dataset(write, make, room, spec, code):
    write("a.jsonl", tickets(9))
    with pytest.raises(DataError) as caught:
        make(spec)
    assert caught.value.code == code
    assert room.store.list("dataset") == []
    assert list(room.store.root.glob("tmp/*")) == []


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ({"source": []}, "system.spec_unknown_key", "did you mean sources?"),
        ({"sources": [{"path": "a", "colums": {}}]}, "system.spec_unknown_key", "did you mean columns?"),
        ({"clean": {"pii": {"mask": ["fone"]}}}, "system.spec_bad_value", "unknown kind fone"),
        ({"split": {"test": 0.6, "validation": 0.4}}, "system.spec_bad_value", "leave nothing to train on"),
        ({"replay": {"rows": 3, "share": 0.1}}, "system.spec_bad_value", "one of them"),
    ],
)
def test_a_wrong_spec_is_refused_with_the_likely_right_one(spec, code, words):
    with pytest.raises(UsageError) as caught:
        DataSpec.parse(spec)
    assert caught.value.code == code
    assert words in str(caught.value)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({}, optional={"text": st.sampled_from(["", "a b", "A B.", LONG, "test test"]),
    "intent": st.sampled_from(["", "x", "y"]), "reply": st.sampled_from(["", "r"])}), max_size=12))  # fmt: skip
def test_the_row_ledger_always_balances(write, make, rows):
    made = make(spec_of(write("a.jsonl", tickets(6) + rows), dedupe={}))
    names = ("train", "validation", "test", "dropped")
    ids = [row.id for name in names for row in made.rows[name]]
    assert len(ids) == len(set(ids)) == made.dataset.rows == 6 + len(rows)
    assert all(row.dropped for row in made.rows["dropped"])


RUN_WITH_A_SMALL_DISK = """
import resource, sys
from pathlib import Path
from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.data.spec import DataInputs, DataSpec
from seekloop.data.stage import run
from seekloop.system.errors import ArtifactError
folder = Path(sys.argv[1])
ctx = RunContext(store=Store(folder / "small"), ledger=Ledger.in_folder(folder), root=folder)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    run(DataSpec.parse({"sources": [{"path": "a.jsonl"}]}), DataInputs(), ctx=ctx)
except ArtifactError as error:
    sys.exit(error.code)
"""


def test_a_full_disk_leaves_nothing_behind(write, tmp_path):
    write("a.jsonl", tickets(2_000))
    done = subprocess.run(
        [sys.executable, "-c", RUN_WITH_A_SMALL_DISK, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "system.disk_full"
    assert [path for path in (tmp_path / "small").rglob("*") if path.is_file()] == []
