"""Labels of rows: several, in levels, decided by people, and rare ones given to the class above."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.artifact.rows import Row, Source
from seekloop.data.labels.labelling import Labelling, back_off, levels, relabel
from seekloop.data.labels.spec import LabelsSpec
from seekloop.data.labels.taxonomy import Taxonomy, ancestors
from seekloop.system.errors import DataError

TREE = "billing\n  refund = 退款\n    delay\n  fee\ncard\n"


def row(label=None, *labels):
    return Row(id="row:1", label=label, labels=labels, source=Source(file="a.csv", line=7))


def labelling(**keys):
    spec = LabelsSpec(names=("billing/refund/delay", "billing/fee", "card"), **keys)
    return Labelling(spec=spec, taxonomy=Taxonomy.flat(spec.names))


def test_several_labels_are_joined_in_the_order_of_the_taxonomy():
    made = relabel(row("card；delay"), labelling(multi=True))
    assert (made.label, made.labels) == ("billing/refund/delay; card", ("billing/refund/delay", "card"))


def test_a_single_label_leaves_the_list_empty():
    made = relabel(row("DELAY"), labelling(multi=True))
    assert (made.label, made.labels) == ("billing/refund/delay", ())


def test_an_unknown_label_is_refused_with_its_line_and_the_likely_class():
    with pytest.raises(DataError) as caught:
        relabel(row("billing/feee"), labelling())
    assert caught.value.code == "labels.unknown"
    assert caught.value.sentence("en").startswith("a.csv:7: ")
    assert caught.value.facts["suggestion"] == "; did you mean billing/fee?"


def test_an_unknown_label_can_be_dropped_with_its_reason():
    assert relabel(row("weather"), labelling(unknown="drop")).dropped == "unknown_label"


def test_rare_classes_give_their_rows_to_the_class_above():
    assert back_off({"a/b/c": 2, "a/b/d": 3, "a/e": 9, "f": 1}, min_rows=4) == {"a/b/c": "a/b", "a/b/d": "a/b"}
    assert back_off({"a/b/c": 1, "a/b/d": 2, "a/e": 9}, min_rows=4) == {"a/b/c": "a", "a/b/d": "a"}


COUNTS = st.dictionaries(st.sampled_from(["a", "a/b", "a/b/c", "a/b/d", "a/e", "f", "f/g"]), st.integers(0, 9))


@given(counts=COUNTS, least=st.integers(0, 12))
def test_back_off_moves_rows_only_upwards_and_leaves_no_rare_class_below_another(counts, least):
    moved = back_off(counts, min_rows=least)
    assert all(above in ancestors(path) for path, above in moved.items())
    after: dict[str, int] = {}
    for path, count in counts.items():
        after[moved.get(path, path)] = after.get(moved.get(path, path), 0) + count
    assert sum(after.values()) == sum(counts.values())
    assert [path for path, count in after.items() if 0 < count < least and "/" in path] == []


def test_levels_count_a_row_for_every_class_above_it():
    assert levels({"a/b": 2, "a/c": 1, "d": 4}) == {1: {"d": 4, "a": 3}, 2: {"a/b": 2, "a/c": 1}}


TEXTS = ["my refund has not come yet", "what does a transfer cost", "my card is gone", "no idea what this is about"]
LABELS = ["退款", "fee", ["card", "billing/fee"], "card"]


def corpus(write, copies=5):
    records = [
        {"text": f"{t} {n}", "labels": label} for n in range(copies) for t, label in zip(TEXTS, LABELS, strict=True)
    ]
    write("t.txt", TREE)
    return {
        "sources": [{"path": write("a.jsonl", records)}],
        "dedupe": {"near": False},
        "labels": {"taxonomy": "t.txt", "multi": True},
        "compose": {"answer": "label"},
    }


def test_a_dataset_trains_the_joined_classes_and_counts_every_level(write, make, room):
    made = make(corpus(write))
    assert made.dataset.labels == ("billing/fee", "billing/fee; card", "billing/refund", "card")
    both = next(r for r in made.rows["train"] if len(r.labels) == 2)
    assert both.messages[-1].content == "billing/fee; card"
    report = json.loads(room.store.path(made.dataset.id, "labels.json").read_text("utf-8"))
    assert report["levels"][0] == {"level": 1, "rows": {"billing": 15, "card": 10}}


def test_decisions_stand_over_the_sources_and_can_leave_a_row_out(write, make):
    spec = corpus(write)
    rows = {r.messages[0].content: r.id for name in ("train", "test", "validation") for r in make(spec).rows[name]}
    told = {"by": "ann", "at": "2026-11-22T08:00:00+00:00", "why": "read it"}
    decided = [
        {"row": rows["my card is gone 0"], "labels": ["card"], **told},
        {"row": rows["no idea what this is about 1"], "labels": [], **told},
    ]
    spec["labels"]["decisions"] = write("decided.jsonl", decided)
    made = make(spec)
    kept = {r.id: r for name in ("train", "test", "validation") for r in made.rows[name]}
    assert kept[decided[0]["row"]].label == "card" and kept[decided[0]["row"]].meta["decided_by"] == "ann"
    assert made.dataset.dropped == {"discarded": 1}
    assert made.dataset.rows == 20


def test_a_broken_decision_names_its_line(write, make):
    spec = corpus(write)
    spec["labels"]["decisions"] = write("decided.jsonl", '{"row": "row:1", "labels": ["card"]}\n{"row": 3}\n')
    with pytest.raises(DataError) as caught:
        make(spec)
    assert (caught.value.code, caught.value.facts["where"]) == ("labels.bad_decision", "decided.jsonl:2")


def test_rare_classes_of_a_dataset_are_trained_as_the_class_above(write, make):
    spec = corpus(write)
    spec["labels"]["min_rows"] = 12
    made = make(spec)
    assert made.dataset.labels == ("billing", "billing; card", "card")
    assert {r.meta.get("label_was") for r in made.rows["train"]} == {
        None,
        "billing/refund",
        "billing/fee",
        "billing/fee; card",
    }
