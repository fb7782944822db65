"""Near duplicates, in Chinese as in English."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.text.similarity import Fingerprint, Seen, bands_for, jaccard, minhash, shingles, similarity

LONG_EN = "Hello, what is the most that I can withdraw at the counter without giving notice?"
SENTENCES = st.text(st.sampled_from("abc 我的卡丢了请帮12"), max_size=40)


def test_a_chinese_sentence_with_one_character_more_is_a_near_duplicate():
    assert similarity("我想查询一下本月的电费账单是多少", "我想查询一下本月的电费账单是多少呀") >= 0.9


def test_a_word_more_in_a_long_english_sentence_is_a_near_duplicate():
    assert similarity(LONG_EN, LONG_EN.replace("giving", "giving any")) >= 0.9


def test_other_wishes_are_not_alike():
    assert similarity("I want to raise my limit", "My card was declined again") < 0.3
    assert similarity("我的卡丢了怎么办", "如何修改我的地址") < 0.3


@given(SENTENCES, SENTENCES)
def test_likeness_is_symmetrical_and_a_share(left, right):
    assert similarity(left, right) == similarity(right, left)
    assert 0.0 <= similarity(left, right) <= 1.0


@given(SENTENCES)
def test_every_character_of_the_key_stands_in_a_shingle(text):
    changed = shingles(text + "x")
    assert not np.array_equal(shingles(text), changed)


def test_equal_signature_entries_estimate_the_similarity():
    left, right = shingles(LONG_EN), shingles(LONG_EN.replace("withdraw", "take out"))
    estimate = float(np.mean(minhash(left) == minhash(right)))
    assert abs(estimate - jaccard(left, right)) < 0.15


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
def test_bands_miss_a_pair_at_the_threshold_once_in_five_hundred(threshold):
    rows = bands_for(threshold)
    assert (1 - threshold**rows) ** (128 // rows) <= 0.002


def test_the_first_of_exact_twins_is_found():
    seen = Seen()
    for name in ("row:1", "row:2"):
        seen.add(name, Fingerprint.of("I lost my card!"))
    match = seen.find(Fingerprint.of("i lost my CARD"))
    assert match is not None
    assert (match.id, match.exact, len(seen)) == ("row:1", True, 1)


def test_the_nearest_comes_first():
    seen = Seen(0.7)
    seen.add("row:far", Fingerprint.of(LONG_EN.replace("withdraw", "take out")))
    seen.add("row:close", Fingerprint.of(LONG_EN.replace("notice", "notices")))
    assert [match.id for match in seen.near(Fingerprint.of(LONG_EN))] == ["row:close", "row:far"]


def test_without_a_threshold_only_exact_twins_are_found():
    seen = Seen(None)
    seen.add("row:1", Fingerprint.of(LONG_EN))
    assert seen.find(Fingerprint.of(LONG_EN + " please")) is None
    assert seen.find(Fingerprint.of(LONG_EN.upper())) is not None


@given(st.lists(SENTENCES, max_size=8))
def test_banding_finds_what_comparing_all_pairs_finds(texts):
    seen = Seen(0.9)
    marks = [Fingerprint.of(text) for text in texts]
    for index, mark in enumerate(marks):
        slow = {i for i in range(index) if jaccard(marks[i].shingles, mark.shingles) >= 0.9}
        first = {marks[i].key: i for i in reversed(range(index))}
        assert {int(match.id) for match in seen.near(mark)} == {i for i in slow if first[marks[i].key] == i}
        seen.add(str(index), mark)
