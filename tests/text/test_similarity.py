"""Near duplicates, in Chinese as in English: the measure, and the index against the plain definition."""

from __future__ import annotations

import itertools
import random
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.text.near import Index, rows_for
from seekloop.text.senses import senses
from seekloop.text.shingles import ENTRIES, bands, keys, prints
from seekloop.text.similarity import similarity

LONG_EN = "Hello, what is the most that I can withdraw at the counter without giving notice?"
LONG_ZH = "我昨天下午在柜台办理了转账，到现在对方还没有收到，请帮我查一下钱去了哪里"
SENTENCES = st.text(st.sampled_from("abc 我的卡丢了请帮12"), max_size=40)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("我想查询一下本月的电费账单是多少", "我想查询一下本月的电费账单是多少呀"),
        (LONG_EN, LONG_EN.replace("giving", "giving any")),
        (LONG_EN, LONG_EN.replace("most", "mosst").replace("counter", "countr")),
        (LONG_ZH, LONG_ZH.replace("昨天", "前天").replace("钱", "款")),
        (LONG_EN, "What is the most that I can withdraw at the counter without giving notice? Hello!"),
        (LONG_ZH, "到现在对方还没有收到，我昨天下午在柜台办理了转账。请帮我查一下钱去了哪里！"),
    ],
)
def test_a_few_edits_and_moved_clauses_leave_texts_alike(left, right):
    assert similarity(left, right) >= 0.9


@pytest.mark.parametrize(
    ("left", "right", "most"),
    [
        ("I want to raise my limit", "My card was declined again", 0.4),
        ("我的卡丢了怎么办", "如何修改我的地址", 0.3),
        ("please freeze my card", "please freeze my card please freeze my card", 0.5),
        ("How do I open an account?", "How do I close an account?", 0.89),
    ],
)
def test_other_wishes_are_not_alike(left, right, most):
    assert similarity(left, right) <= most


def test_long_texts_that_only_share_common_shingles_are_not_alike():
    words = ["".join(random.Random(n).choices(string.ascii_lowercase, k=5)) for n in range(200)]
    left, right = (" ".join(random.Random(seed).choices(words, k=2_000)) for seed in (1, 2))
    assert similarity(left, right) < 0.75
    assert similarity(left, edited(random.Random(3), left)) > 0.99


def test_traditional_and_simplified_script_count_as_the_same():
    pytest.importorskip("opencc")
    assert similarity("我的銀行卡遺失了，請幫我凍結", "我的银行卡遗失了,请帮我冻结") == 1.0


@given(SENTENCES, SENTENCES)
def test_likeness_is_symmetrical_and_a_share(left, right):
    assert similarity(left, right) == similarity(right, left)
    assert 0.0 <= similarity(left, right) <= 1.0


@given(st.text("我的卡丢了怎么办请", min_size=1, max_size=40), st.data())
def test_one_more_character_costs_at_most_one(text, data):
    place = data.draw(st.integers(0, len(text)))
    changed = text[:place] + "钱" + text[place:]
    assert similarity(text, changed) <= 1 - 1 / (len(text) + 1) + 1e-9


@given(st.lists(st.text(max_size=30), min_size=1, max_size=8))
def test_a_fingerprint_does_not_depend_on_its_neighbours(texts):
    together = prints(texts)
    for place, text in enumerate(texts):
        alone, mine = prints([text]), together.take(np.array([place]))
        for name in vars(alone):
            assert np.array_equal(vars(alone)[name], vars(mine)[name]), name


def test_equal_signature_entries_estimate_the_jaccard_similarity():
    both = prints([LONG_EN, LONG_EN.replace("withdraw", "take out")])
    sets = [set(both.take(np.array([n])).shingles.tolist()) for n in range(2)]
    estimate = float(np.mean(both.signatures[0] == both.signatures[1]))
    assert abs(estimate - len(sets[0] & sets[1]) / len(sets[0] | sets[1])) < 0.15


@pytest.mark.parametrize("threshold", [0.88, 0.9, 0.95, 1.0])
def test_two_texts_exactly_at_the_threshold_meet_with_a_chance_of_four_in_ten(threshold):
    rows, dice = rows_for(threshold), 3 * threshold - 2
    assert 1 - (1 - (dice / (2 - dice)) ** rows) ** (ENTRIES // rows) >= 0.4


def plainly(texts, classes, *, threshold=0.9, exact=True):
    """The definition, one text after another: its twin (-1: it is kept), or the first kept one that is like it."""
    marks = bands(prints(texts), rows_for(threshold)) if texts else []
    digests = keys(texts)
    kept, twins = [], []
    for place, text in enumerate(texts):
        same = [old for old in kept if digests[old] == digests[place]] if exact else []
        near = [
            old
            for old in kept
            if classes[old] == classes[place]
            and (marks[old] == marks[place]).any()
            and similarity(texts[old], text) >= threshold
        ]
        found = [*same, *near]
        twins.append(kept.index(found[0]) if found else -1)
        kept += [] if found else [place]
    return twins


def in_batches(texts, classes, sizes, *, threshold=0.9, exact=True):
    index, twins = Index(threshold), []
    stream = iter(zip(texts, classes, strict=True))
    for size in sizes:
        some = list(itertools.islice(stream, size))
        found = index.compare(
            prints([text for text, _ in some]), np.array([label for _, label in some], np.int64), exact=exact
        )
        twins += found.twins.tolist()
    return twins


def edited(rng, text):
    letters = list(text)
    for _ in range(rng.randint(0, 5)):
        place = rng.randrange(len(letters) + 1)
        letters[place : place + rng.randint(0, 1)] = rng.choice(["x", "", "了", "e"])
    return "".join(letters)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("exact", [True, False])
def test_the_index_finds_what_the_plain_definition_finds_whatever_the_batches(seed, exact):
    rng = random.Random(seed)
    seeds = [LONG_EN, LONG_ZH, "我的卡丢了", "ok", "", LONG_EN + LONG_ZH]
    texts = []
    for _ in range(90):
        texts.append(edited(rng, rng.choice(texts[-30:] + seeds)))
    classes = [rng.randint(0, 2) for _ in texts]
    expected = plainly(texts, classes, exact=exact)
    assert -1 in expected
    assert max(expected) >= 0
    for size in (1, 7, 40, 90):
        assert in_batches(texts, classes, [size] * 90, exact=exact) == expected


def test_a_heap_of_duplicates_is_cut_down_to_one():
    texts = [f"{LONG_EN} {n % 10}" for n in range(5_000)]
    index = Index(0.9)
    found = index.compare(prints(texts), np.zeros(5_000, np.int64))
    assert len(index) == 1
    assert set(found.twins[1:].tolist()) == {0}


def test_without_a_threshold_only_exact_twins_are_found():
    twins = in_batches([LONG_EN, LONG_EN + " please", LONG_EN.upper()], [0, 0, 0], [3], threshold=None)
    assert twins == [-1, -1, 0]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("transfer 100 yuan", "transfer 200 yuan", False),
        ("I can pay today", "I can't pay today", False),
        ("I cant pay", "I can't pay", True),
        ("我要退两笔", "我要退三笔", False),
        ("我收到了", "我没收到", False),
        ("room 12, floor 3", "floor 3, room 12", True),
        ("I lost my card", "I lost my cart", True),
    ],
)
def test_numbers_and_negations_make_another_sense(left, right, same):
    one, two = senses([left, right]).tolist()
    assert (one == two) == same
