"""ROUGE against the rouge-score package, and Chinese against tables computed by hand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from seekloop.metrics import overlap

WORDS = ["card", "lost", "Card", "LOST", "my,", "the", "been—has", "3.5%", "naïve", "refund!", "余额", "İstanbul"]
WORDS += ["it's", "top-up\n", "don’t", "12,000", ""]
CHINESE = "我的银行卡丢了，怎么办？ATM 吞卡 App 转账 Top up 余额３元。"


class _ChineseTokens:
    """Our tokens, in the shape of the package's tokenizer."""

    def tokenize(self, text):
        return overlap.tokens(text, "zh")


def _pairs(pieces, count, joint):
    rng = random.Random(5)
    for _ in range(count):
        yield tuple(joint.join(rng.choices(pieces, k=rng.randint(0, 24))) for _ in range(2))


def _ours(reference, answer, tokenisation):
    return {
        "rouge1": overlap.rouge_n(reference, answer, n=1, tokenisation=tokenisation),
        "rouge2": overlap.rouge_n(reference, answer, n=2, tokenisation=tokenisation),
        "rougeL": overlap.rouge_l(reference, answer, tokenisation=tokenisation),
    }


@pytest.mark.parametrize(
    ("tokenisation", "pieces", "joint", "tokenizer"),
    [("en", WORDS, " ", None), ("zh", list(CHINESE), "", _ChineseTokens())],
)
def test_rouge_equals_the_reference_package_on_500_pairs(tokenisation, pieces, joint, tokenizer):
    reference_package = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False, tokenizer=tokenizer)
    for reference, answer in _pairs(pieces, 500, joint):
        theirs = reference_package.score(reference, answer)
        for name, ours in _ours(reference, answer, tokenisation).items():
            assert tuple(ours) == pytest.approx(tuple(theirs[name]), abs=1e-12), (name, reference, answer)


def test_chinese_is_cut_into_characters_and_latin_into_words():
    assert overlap.tokens("我的ATM卡，PIN码 1234！", "zh") == ["我", "的", "atm", "卡", "pin", "码", "1234"]


def test_chinese_rouge_l_equals_the_table_computed_by_hand():
    # common subsequence 我 卡 丢 了: 4 of 6 given, 4 of 5 wanted
    score = overlap.rouge_l("我的卡丢了", "我这张卡丢了。", tokenisation="zh")
    assert score == pytest.approx((4 / 6, 4 / 5, 2 * (4 / 6) * (4 / 5) / (4 / 6 + 4 / 5)))


def test_rouge_of_nothing_is_zero_and_no_error():
    assert overlap.rouge_l("card lost", "", tokenisation="en") == (0, 0, 0)
    assert overlap.rouge_n("", "", n=2, tokenisation="en") == (0, 0, 0)


@settings(max_examples=60)
@given(st.lists(st.sampled_from("abcd"), max_size=90), st.lists(st.sampled_from("abcd"), max_size=90))
def test_rouge_l_swaps_precision_and_recall_with_its_arguments(first, second):
    one, two = " ".join(first), " ".join(second)
    there, back = (overlap.rouge_l(*pair, tokenisation="en") for pair in ((one, two), (two, one)))
    assert (there.precision, there.recall) == (back.recall, back.precision)
    assert 0 <= there.f1 <= 1
