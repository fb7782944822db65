"""The index that leaves no pair out, against brute force: every text with every other."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekloop.text.complete import CompleteIndex
from seekloop.text.shingles import keys, prints
from seekloop.text.similarity import similarity, verified

SEEDS = (
    "Hello, what is the most that I can withdraw at the counter without giving notice?",
    "我昨天下午在柜台办理了转账，到现在对方还没有收到，请帮我查一下钱去了哪里",
    "我的卡丢了",
    "ok",
    "",
    "a a a a a a a a a a a a a a a a a a a a",
    "我的 card 12 丢了 please help 一下",
)
WORDS = ("card", "money", "bank", "the", "of", "transfer", "when", "where", "why", "limit")
LONG = {
    "en": " ".join(random.Random(1).choices(WORDS, k=300)),
    "zh": "".join(random.Random(2).choices("我的卡丢了怎么办请帮查一下转账到哪里去钱没有收", k=1_400)),
}
THRESHOLDS = st.sampled_from([0.5, 0.7, 0.8, 0.9, 0.95, 1.0])


@st.composite
def alike_texts(draw: st.DrawFn) -> list[str]:
    """Texts, each made of one before it by edits, doublings and moved halves, so that many are near the threshold."""
    texts = [*draw(st.lists(st.sampled_from(SEEDS), min_size=1, max_size=3)), draw(st.text(max_size=30))]
    for _ in range(draw(st.integers(1, 10))):
        letters = list(draw(st.sampled_from(texts)))
        for _ in range(draw(st.integers(0, 6))):
            place = draw(st.integers(0, len(letters)))
            letters[place : place + draw(st.integers(0, 1))] = draw(st.sampled_from(["x", "", "了", "e", " ", "7"]))
        cut = draw(st.sampled_from([0, 0, len(letters) // 2]))
        texts.append("".join(letters[cut:] + letters[:cut]))
    return texts


def brute_force(texts, threshold):
    """Numbers of all pairs that are alike, the later one first: every text is compared with every other."""
    if len(texts) < 2:
        return set()
    early, late = np.array(list(itertools.combinations(range(len(texts)), 2))).T
    marks = prints(texts)
    pairs = verified((marks, late), (marks, early), threshold=threshold)
    return set(zip(pairs.new.tolist(), pairs.old.tolist(), strict=True))


def found(texts, threshold, *, size):
    """What the index finds, texts coming `size` at a time."""
    index, pairs = CompleteIndex(threshold), set()
    for at in range(0, len(texts), size):
        some = prints(texts[at : at + size])
        matches = index.matches(some)
        pairs |= {(new + at, old) for new, old in zip(matches.new.tolist(), matches.old.tolist(), strict=True)}
        index.add(some)
    return pairs


@settings(max_examples=100)
@given(alike_texts(), THRESHOLDS)
def test_no_pair_that_is_alike_is_missed(texts, threshold):
    assert found(texts, threshold, size=1) == brute_force(texts, threshold)


@given(st.lists(st.text("ab我", max_size=12), max_size=12), THRESHOLDS)
def test_nor_among_tiny_texts_that_repeat_themselves(texts, threshold):
    assert found(texts, threshold, size=1) == brute_force(texts, threshold)


@settings(max_examples=20)
@given(st.sampled_from(["en", "zh"]), st.randoms(use_true_random=False), st.sampled_from([0.8, 0.9, 0.97]))
def test_nor_among_long_texts(language, rng, threshold):
    texts = [LONG[language]]
    for _ in range(6):
        letters = list(rng.choice(texts))
        for _ in range(rng.randint(0, len(letters) // 12)):
            letters[rng.randrange(len(letters))] = rng.choice("xyz的了")
        texts.append("".join(letters))
    assert found(texts, threshold, size=1) == brute_force(texts, threshold)


@settings(max_examples=60)
@given(alike_texts(), st.integers(1, 8))
def test_joining_gives_the_pairs_of_brute_force_whatever_the_batches(texts, size):
    index, numbers, near = CompleteIndex(0.9), {}, set()
    for at in range(0, len(texts), size):
        joined = index.join(prints(texts[at : at + size]))
        for place, (number, twin) in enumerate(zip(joined.numbers.tolist(), joined.twins.tolist(), strict=True)):
            assert (number < 0) != (twin < 0)
            numbers[at + place] = max(number, twin)
        near |= set(map(tuple, joined.near.tolist()))
    marks = keys(texts)
    first = [marks.index(mark) for mark in marks]
    assert all(numbers[place] == numbers[before] for place, before in enumerate(first))
    pairs = {tuple(sorted((numbers[one], numbers[two]), reverse=True)) for one, two in brute_force(texts, 0.9)}
    assert near == {pair for pair in pairs if pair[0] != pair[1]}


def test_an_index_that_was_saved_finds_the_same(tmp_path):
    index = CompleteIndex(0.9)
    index.add(prints(SEEDS[:3]), np.array([3, 4, 5]))
    index.save(tmp_path / "index.npz")
    again = CompleteIndex.load(tmp_path / "index.npz")
    for asked in (SEEDS[0].upper(), SEEDS[1] + "呢", "something else"):
        before, after = index.matches(prints([asked])), again.matches(prints([asked]))
        assert [a.tolist() for a in vars(before).values()] == [a.tolist() for a in vars(after).values()]
        assert again.classes(after.old).tolist() == [3 + number for number in after.old.tolist()]


@pytest.mark.parametrize("count", [1, 700])
def test_it_finds_the_same_among_many(count):
    texts = [f"{SEEDS[0]} {SEEDS[1]} {n * 7919}" for n in range(count)] + [SEEDS[0] * 3]
    index = CompleteIndex(0.9)
    index.add(prints(texts))
    assert len(index.matches(prints([texts[0] + "!"])).old) == sum(similarity(texts[0], one) >= 0.9 for one in texts)
