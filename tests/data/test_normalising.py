"""Normalising in the data stage: a record's time, what is counted, and what no level touches."""

from __future__ import annotations

import json

import pytest

from seekloop.artifact.rows import Message, Row, Source
from seekloop.data.clean import clean
from seekloop.data.spec import CleanSpec
from seekloop.system.errors import DataError

ALL = {"normalise": {"numbers": "digits", "times": "iso", "punctuation": True, "repeats": True}}


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2026-11-22T10:00:00+08:00", "2026-11-22T10:00:00+08:00"),
        ("2026/11/22 10:00", "2026-11-22T10:00:00"),
        ("2026年11月22日", "2026-11-22T00:00:00"),
        (1795312800, "2026-11-22T02:00:00+00:00"),
        (1795312800000, "2026-11-22T02:00:00+00:00"),
        ("", None),
    ],
)
def test_a_record_keeps_its_time(read, write, written, time):
    _, rows = read(write("a.jsonl", [{"问题": "明天几点开门", "意图": "a", "创建时间": written}]))
    assert rows[0].meta.get("time") == time


def test_a_time_that_is_none_names_its_line(read, write):
    with pytest.raises(DataError) as caught:
        read(write("a.jsonl", [{"text": "hi", "intent": "a", "created_at": "soon"}]), columns={"time": "created_at"})
    assert (caught.value.code, caught.value.facts["where"]) == ("data.bad_time", "a.jsonl:1")


def test_a_column_that_only_sounds_like_a_time_is_none(read, write):
    _, rows = read(write("a.jsonl", [{"text": "hi", "intent": "a", "created_at": "soon"}]))
    assert "time" not in rows[0].meta


def test_relative_times_are_anchored_to_their_own_record_and_changes_are_counted(write, make, room):
    days = (20, 21, 22)
    rows = [{"text": f"明天下午三点退{n}号单，二十元", "intent": "a", "time": f"2026-11-{n}"} for n in days]
    source = {"path": write("a.jsonl", rows), "columns": {"time": "time"}}
    spec = {"sources": [source], "clean": ALL, "split": {"test": 0, "validation": 0}, "dedupe": {"near": False}}
    made = make(spec)
    asked = [row.messages[0].content for row in made.rows["train"]]
    assert asked == [f"2026-11-{n + 1}T15:00退{n}号单，20元" for n in days]
    changed = json.loads(room.store.path(made.dataset.id, "normalised.json").read_bytes())
    assert changed == {"date": 3, "money": 3}


def test_only_prose_is_rewritten():
    call = {"function": {"name": "pay", "arguments": '{"amount": "二十元"}'}}
    turns = (Message(role="user", content="付二十元"), Message(role="assistant", content="", tool_calls=(call,)))
    dirty = Row(id="row:1", messages=turns, label="二十元以下", source=Source(file="f", line=1), meta={"a": "二十元"})
    cleaned, _ = clean(dirty, CleanSpec.parse(ALL))
    assert cleaned.messages[0].content == "付20元"
    assert cleaned.messages[1].tool_calls[0]["function"]["arguments"] == '{"amount": "二十元"}'
    assert (cleaned.label, cleaned.meta) == ("二十元以下", {"a": "二十元"})


def test_the_time_of_a_record_survives_cleaning():
    dirty = Row(id="row:1", source=Source(file="f", line=1), meta={"time": "2026-11-22T10:00:00+08:00"})
    assert clean(dirty, CleanSpec())[0].meta == dirty.meta


def test_without_higher_levels_nothing_is_counted(write, make):
    made = make({"sources": [{"path": write("a.jsonl", [{"text": f"二十元 {n}", "intent": "a"} for n in range(9)])}]})
    assert "normalised.json" not in made.dataset.files
