"""Exchange with annotation tools: nothing is lost on the way, or it is said."""

from __future__ import annotations

import json
import xml.etree.ElementTree as tree
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.labels import argilla, label_studio
from seekloop.data.labels.exchange import Exchanged, classed, read_annotations, write_annotations
from seekloop.data.labels.items import Guess, Item, Judgement, from_row
from seekloop.data.labels.taxonomy import Entry, Taxonomy
from seekloop.system.errors import DataError

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
PART = st.sampled_from(["billing", "refund", "退款", "a b", 'x<&>"y'])
PATHS = st.lists(PART, min_size=1, max_size=3).map("/".join)
LABELS = st.lists(PATHS, max_size=3, unique=True).map(tuple)
SCORES = st.none() | st.floats(0, 1)
JUDGEMENTS = st.builds(
    Judgement,
    rater=st.sampled_from(["ann@x.org", "7", "007", "李"]),
    labels=LABELS,
    status=st.sampled_from(["submitted", "discarded", "draft"]),
    at=st.none() | st.just("2026-11-22T08:00:00Z"),
    seconds=st.none() | st.floats(0, 99),
)
TURNS = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": TEXT})
ITEMS = st.builds(
    Item,
    id=st.integers(0, 99).map("row:{}".format),
    messages=st.lists(TURNS, min_size=1, max_size=3).map(tuple),
    judgements=st.lists(JUDGEMENTS, max_size=3).map(tuple),
    guesses=st.lists(st.builds(Guess, labels=LABELS, score=SCORES, model=st.none() | TEXT), max_size=2).map(tuple),
    file=st.just("a.csv"),
    line=st.integers(1, 9),
    meta=st.dictionaries(TEXT, TEXT | st.lists(TEXT, max_size=1), max_size=2),
)


def drafts_last(item):
    return sorted(item.judgements, key=lambda one: one.status == "draft")


@given(items=st.lists(ITEMS, max_size=4), levels=st.booleans())
def test_label_studio_gives_back_every_item_as_it_was(tmp_path_factory, items, levels):
    path = tmp_path_factory.mktemp("studio") / "tasks.json"
    done = write_annotations(path, items, format="label-studio", levels=levels)
    back = list(read_annotations(path))
    assert [drafts_last(one) for one in items] == [list(one.judgements) for one in back]
    assert [(i.id, i.messages, i.guesses, i.meta, i.line) for i in items] == [
        (i.id, i.messages, i.guesses, i.meta, i.line) for i in back
    ]
    assert done.items == len(items) and not done.lost


@given(items=st.lists(ITEMS, max_size=4))
def test_our_own_form_gives_back_every_item_as_it_was(tmp_path_factory, items):
    path = tmp_path_factory.mktemp("items") / "items.jsonl"
    write_annotations(path, items, format="items")
    assert list(read_annotations(path)) == items


@given(items=st.lists(ITEMS, max_size=4))
def test_argilla_gives_back_every_item_less_what_was_said(tmp_path_factory, items):
    path = tmp_path_factory.mktemp("argilla") / "records.jsonl"
    done = write_annotations(path, items, format="argilla", multi=True)
    back = list(read_annotations(path))
    said = [[(j.rater, j.labels, j.status) for j in one.judgements] for one in items]
    assert [[(j.rater, j.labels, j.status) for j in one.judgements] for one in back] == said
    assert [one.messages for one in back] == [one.messages for one in items]
    assert done.lost["further guesses"] == sum(max(0, len(one.guesses) - 1) for one in items)
    if not done.lost:
        assert back == items


def test_several_labels_for_a_single_choice_question_are_said(tmp_path):
    item = Item(id="row:1", judgements=(Judgement(rater="ann", labels=("a", "b")),))
    assert write_annotations(tmp_path / "r.jsonl", [item], format="argilla").lost == {"further labels of a row": 1}


def test_an_answer_without_a_label_is_said_where_argilla_takes_none(tmp_path):
    item = Item(id="row:1", judgements=(Judgement(rater="ann"), Judgement(rater="bob", status="discarded")))
    done = write_annotations(tmp_path / "r.jsonl", [item], format="argilla")
    assert done.lost == {"answers without a label": 1}
    assert [one.rater for one in next(read_annotations(tmp_path / "r.jsonl")).judgements] == ["bob"]


def test_a_task_of_label_studio_itself_is_read(tmp_path):
    task = {
        "id": 12,
        "data": {"text": "where is my refund?", "ticket": 4},
        "annotations": [
            {
                "completed_by": 3,
                "was_cancelled": False,
                "result": [_region("choices", ["refund"]), _region("rating", 4)],
            },
            {"completed_by": {"id": 5, "email": "li@x.cn"}, "result": [_region("taxonomy", [["billing", "refund"]])]},
        ],
        "predictions": [{"model_version": "v1", "score": 0.4, "result": [_region("choices", ["fee"])]}],
    }
    (tmp_path / "t.json").write_text(json.dumps([task]), "utf-8")
    done = Exchanged()
    item = next(read_annotations(tmp_path / "t.json", done=done))
    assert (item.id, item.meta) == ("task:12", {"ticket": 4})
    assert item.votes == {"3": ("refund",), "li@x.cn": ("billing/refund",)}
    assert item.guesses == (Guess(labels=("fee",), score=0.4, model="v1"),)
    assert done.lost == {"label (rating)": 1}


def _region(kind, value):
    return {"from_name": "label", "to_name": "text", "type": kind, "value": {kind: value}}


def test_a_record_of_argillas_server_is_read():
    record = {
        "id": "9b",
        "fields": {"question": "where is my refund?"},
        "responses": [{"user_id": "u1", "status": "submitted", "values": {"intent": {"value": "refund"}}}],
        "suggestions": [{"question_name": "intent", "value": "fee", "score": 0.4, "agent": "v1"}],
    }
    item, left = argilla.from_record(record)
    assert item.votes == {"u1": ("refund",)} and item.guesses[0].labels == ("fee",) and not left


def test_two_names_of_one_class_are_one_answer_and_unknown_ones_are_counted():
    said = (Judgement(rater="a", labels=("退款",)), Judgement(rater="b", labels=("refund", "x")))
    classes = Taxonomy.of([Entry(name="billing/refund", aliases=("退款",))])
    unknown = Counter()
    (item,) = classed([Item(id="row:1", judgements=said)], classes, unknown=unknown)
    assert item.votes == {"a": ("billing/refund",), "b": ("billing/refund", "x")} and unknown == {"x": 1}


def test_levels_become_nested_choices_and_a_flat_list_plain_ones():
    flat = tree.fromstring(label_studio.config(Taxonomy.of([Entry(name="a<b", description={"en": "x"})]), multi=True))
    assert flat.find("Choices").attrib["choice"] == "multiple"
    assert flat.find("Choices/Choice").attrib == {"value": "a<b", "hint": "x"}
    deep = tree.fromstring(label_studio.config(Taxonomy.flat(["billing/refund", "card"]), multi=False))
    assert deep.find("Taxonomy/Choice/Choice").attrib == {"value": "refund"}
    assert deep.find("Taxonomy").attrib["maxUsages"] == "1"


def test_a_row_is_an_item_whose_label_is_a_guess_or_a_raters():
    row = {"id": "row:1", "messages": [], "label": "a", "source": {"file": "a.csv", "line": 3}}
    assert from_row(row).guesses == (Guess(labels=("a",), model="source"),)
    assert from_row(row, rater="ann").votes == {"ann": ("a",)}


@pytest.mark.parametrize(
    ("text", "where"),
    [('[{"data": {"row": "r"}}, {"data"', "a.json:2"), ('{"row": "r"}\n{"row": 1,', "a.json:2"), ("[3]", "a.json:1")],
)
def test_a_broken_file_names_its_place(tmp_path, text, where):
    (tmp_path / "a.json").write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        list(read_annotations(tmp_path / "a.json", shown="a.json"))
    assert (caught.value.code, caught.value.facts["where"]) == ("labels.bad_item", where)


def test_a_write_that_fails_leaves_nothing(tmp_path):
    def items():
        yield Item(id="row:1")
        raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        write_annotations(tmp_path / "a.json", items(), format="label-studio")
    assert list(tmp_path.iterdir()) == []
