"""The shipped sample holds what its README says, and the data stage finds all of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from seekloop.data.read.files import locate

SPEC = {
    "sources": [{"path": "sample:messages.jsonl"}],
    "filter": {"languages": ["en"]},
    "compose": {"system": "Name the intent, then reply."},
}
PLANTED = {"duplicate_exact": 16, "duplicate_near": 14, "repeated": 3, "missing_answer": 1} | dict.fromkeys(
    ("empty", "keyboard_mash", "no_letters", "boilerplate", "other_language", "missing_label"), 2
)


def sample(name: str) -> list[dict[str, str]]:
    text = locate(f"sample:{name}", root=Path()).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_ledger_finds_exactly_what_was_planted(make):
    dataset = make(SPEC).dataset
    assert dataset.dropped == PLANTED
    assert (dataset.rows, sum(dataset.splits.values())) == (746, 700)
    assert dataset.pii == {"card": 5, "cn_id": 4, "email": 7, "phone": 9}


def test_the_readme_counts_the_same(make):
    text = locate("sample:README.md", root=Path()).read_text("utf-8")
    told = {name: int(count) for count, name in re.findall(r"\| (\d+) \| `(\w+)` \|", text)}
    assert told == PLANTED
    assert "| 700 | kept |" in text


def test_ten_intents_of_70_messages_are_kept_in_exact_shares(make):
    made = make(SPEC)
    assert made.dataset.splits == {"train": 490, "validation": 70, "test": 140}
    assert len(made.dataset.labels) == 10
    assert set(Counter(row.label for row in made.rows["test"]).values()) == {14}


def test_messages_with_personal_data_are_kept_and_masked(make):
    made = make(SPEC)
    rows = [row for name in ("train", "validation", "test") for row in made.rows[name]]
    masked = [row for row in rows if re.search(r"\[(PHONE|CARD|EMAIL|CN_ID)\]", row.messages[1].content)]
    assert len(masked) == 24


def test_the_dropped_duplicates_are_named_with_their_twins(make):
    made = make(SPEC)
    kept = {row.id for name in ("train", "validation", "test") for row in made.rows[name]}
    twins = [row.twin for row in made.rows["dropped"] if row.dropped.startswith("duplicate")]
    assert len(twins) == 30
    assert set(twins) <= kept


def test_traffic_is_new_and_brings_one_new_intent(make):
    made, traffic = make(SPEC), sample("traffic.jsonl")
    counts = Counter(row["intent"] for row in traffic)
    assert (len(traffic), counts["standing_order"], len(counts)) == (60, 24, 11)
    assert set(counts) - set(made.dataset.labels) == {"standing_order"}
    later = make({"sources": [{"path": "sample:traffic.jsonl"}], "replay": {"rows": 30}}, parent=made.dataset)
    assert later.dataset.dropped == {}
    assert later.dataset.replay == 30


@pytest.mark.parametrize("name", ["messages.jsonl", "traffic.jsonl"])
def test_replies_are_short_and_few(name):
    replies = {row["reply"] for row in sample(name) if row.get("intent") and row.get("reply")}
    assert all(8 <= len(reply.split()) <= 14 for reply in replies)
    assert len(replies) <= 14
