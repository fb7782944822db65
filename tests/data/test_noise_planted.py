"""A noise classifier for data that nobody has marked: it learns from noise that it plants itself."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from seekloop.data.judge.planting import KINDS, plant
from seekloop.system.errors import DataError, UsageError
from tests.data.test_noise_classifier import ASKS, ASKS_ZH, PLAIN, THINGS, THINGS_ZH, report_of, texts

GOOD = texts(ASKS, THINGS, 400, seed=1) + texts(ASKS_ZH, THINGS_ZH, 400, seed=2)
LINES = Path(__file__).parents[2] / "bench" / "noise_heldout.jsonl"
BAD = [
    one["text"]
    for one in map(json.loads, LINES.read_text("utf-8").splitlines())
    if one["kind"] in ("advert", "boilerplate", "chat")
][::3]
"""Written by hand, and no part of what is planted."""
SPEC = {"filter": {"classifier": {"type": "planted"}}, **PLAIN}


def unmarked(*several: list[str]) -> list[dict]:
    return [{"text": text, "intent": "a"} for some in several for text in some]


def judged(made) -> list[str]:
    return [row.messages[0].content for row in made.rows["dropped"] if row.dropped == "noise_classifier"]


def test_nobody_marked_a_row_and_noise_is_found(write, make):
    made = make({"sources": [{"path": write("a.jsonl", unmarked(GOOD, BAD))}], **SPEC})
    found = judged(made)
    assert len([text for text in found if text in BAD]) >= 0.5 * len(BAD)
    assert len([text for text in found if text not in BAD]) <= 0.01 * len(GOOD)


def test_the_report_has_the_curve_and_what_was_found_of_each_kind(write, make, room):
    made = make({"sources": [{"path": write("a.jsonl", unmarked(GOOD))}], **SPEC})
    report = report_of(room, made.dataset)
    assert (report["type"], report["learnt_from"], report["threshold"]) == ("planted", "planted", 0.7)
    assert set(report["planted_recall"]) == set(KINDS) and report["planted"] == report["noise_rows"]
    assert report["ece"] < 0.1 and report["expected_share"] == 0.05 and report["good_rows_dropped"] < 0.01
    assert sum(one["n"] for one in report["curve"]) == report["noise_rows"] + report["clean_rows"]


def test_a_later_round_is_judged_by_the_head_of_the_first(write, make, room):
    first = make({"sources": [{"path": write("a.jsonl", unmarked(GOOD))}], **SPEC})
    second = make({"sources": [{"path": write("b.jsonl", unmarked(GOOD[:40], BAD))}], **SPEC}, parent=first.dataset)
    assert report_of(room, second.dataset)["reused_from"] == first.dataset.id
    assert set(judged(second)) <= set(BAD) and len(judged(second)) >= 0.8 * len(BAD)


def test_marked_noise_is_learnt_from_too(write, make, room):
    rows = [{"text": text, "intent": "a", "noise": "noise"} for text in BAD] + unmarked(GOOD)
    made = make({"sources": [{"path": write("a.jsonl", rows)}], **SPEC})
    report = report_of(room, made.dataset)
    assert report["noise_rows"] == report["planted"] + len(set(BAD))


def test_the_same_rows_and_seed_give_the_same_dataset(write, make):
    spec = {"sources": [{"path": write("a.jsonl", unmarked(GOOD[:300], BAD))}], **SPEC}
    assert make(spec).dataset.id == make(spec).dataset.id


def test_what_is_planted_is_of_all_kinds_and_the_same_for_the_same_seed():
    pieces = plant(GOOD, count=180, seed=5)
    assert Counter(piece.kind for piece in pieces).keys() == set(KINDS)
    assert pieces == plant(GOOD, count=180, seed=5) != plant(GOOD, count=180, seed=6)
    assert all(piece.text.strip() and piece.text not in GOOD for piece in pieces)


def test_too_few_rows_are_refused(write, make):
    source = write("a.jsonl", unmarked(GOOD[:60]))
    with pytest.raises(DataError) as caught:
        make({"sources": [{"path": source}], **SPEC})
    assert caught.value.code == "data.few_to_plant"


def test_it_judges_prompts_only(write, make):
    with pytest.raises(UsageError, match="look: prompt"):
        make({"sources": [{"path": "a"}], "filter": {"classifier": {"type": "planted", "look": "row"}}})


def test_good_rows_of_the_sample_stay_and_its_noise_goes_without_a_rule(make):
    spec = {"sources": [{"path": "sample:messages.jsonl"}], "dedupe": {"near": False, "exact": False}}
    made = make({**spec, "filter": {"rules": ["empty"], "classifier": {"type": "planted"}}})
    ruled = make({**spec, "filter": {"languages": ["en"]}})
    reasons = {row.id: row.dropped for row in ruled.rows["dropped"]}
    found = {row.id for row in made.rows["dropped"] if row.dropped == "noise_classifier"}
    noise = {one for one, reason in reasons.items() if reason not in ("empty", "missing_label", "missing_answer")}
    assert len(found & noise) >= 0.5 * len(noise)
    assert len(found - noise) <= 6
