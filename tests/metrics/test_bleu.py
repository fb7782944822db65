"""BLEU and chrF against sacrebleu, and their bootstraps against scoring the drawn strings again."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from seekloop.metrics import bleu, chrf

NAMES = {"en": "13a", "zh": "zh"}
PIECES = ["card", "lost", "Card", "my,", "the", "3.5%", "1,000", "it's", "top-up\n", "5-6", "-\n", "&amp;lt;", "U.S."]
PIECES += [
    "<skipped>",
    "“quoted”",
    "—",
    "naïve",
    "!",
    "...",
    " ",
    "",
    "卡丢了",
    "，怎么办？",
    "ATM",
    "𠀀",
    "３元",
    "ぁ",
]
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=14).map(
    lambda parts: " ".join(parts).encode("utf-8", "ignore").decode()
)


def ours(pairs, tokenisation):
    counts = np.array([bleu.bleu_counts(r, a, tokenisation=tokenisation) for r, a in pairs], dtype=np.float64)
    return float(bleu.bleu(counts.sum(axis=0))), bleu.bleu(counts, effective_order=True)


def drawn(count, seed=5):
    rng = random.Random(seed)
    return [
        tuple(rng.choice((" ", "")).join(rng.choices(PIECES, k=rng.randint(0, 24))) for _ in "ab") for _ in range(count)
    ]


@pytest.mark.parametrize("tokenisation", ["en", "zh"])
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_bleu_equals_sacrebleu_for_corpora_and_sentences(tokenisation, pairs):
    references, answers = zip(*pairs, strict=True)
    corpus, sentences = ours(pairs, tokenisation)
    theirs = BLEU(tokenize=NAMES[tokenisation]).corpus_score(list(answers), [list(references)]).score
    assert corpus == pytest.approx(theirs, abs=1e-9)
    one = BLEU(tokenize=NAMES[tokenisation], effective_order=True)
    wanted = [one.sentence_score(answer, [reference]).score for reference, answer in pairs]
    assert sentences.tolist() == pytest.approx(wanted, abs=1e-9)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_chrf_equals_sacrebleu(pairs):
    references, answers = zip(*pairs, strict=True)
    counts = np.array([chrf.chrf_counts(*pair) for pair in pairs], dtype=np.float64)
    theirs = CHRF().corpus_score(list(answers), [list(references)]).score
    assert float(chrf.chrf(counts.sum(axis=0))) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("tokenisation", ["en", "zh"])
def test_every_character_is_tokenised_as_by_sacrebleu(tokenisation):
    theirs = BLEU(tokenize=NAMES[tokenisation]).tokenizer
    for start in range(0, 0x31000, 64):
        some = [chr(code) for code in range(start, start + 64) if not 0xD800 <= code < 0xE000]
        for text in ("".join(some), "a".join(some), "1".join(some)):
            assert bleu.bleu_tokens(text, tokenisation) == theirs(text.rstrip()).split(), hex(start)


def test_a_weighted_sum_is_the_corpus_with_rows_drawn_again():
    pairs = drawn(12)
    counts = np.array([bleu.bleu_counts(*pair, tokenisation="en") for pair in pairs], dtype=np.float64)
    weights = np.random.default_rng(1).integers(0, 4, size=(20, 12)).astype(np.float64)
    found = bleu.bleu(weights @ counts)
    for row, value in zip(weights, found, strict=True):
        again = [pair for pair, times in zip(pairs, row, strict=True) for _ in range(int(times))]
        assert value == pytest.approx(ours(again, "en")[0], abs=1e-9)


def test_an_empty_answer_has_nothing_and_is_no_error():
    assert ours([("card lost", "")], "en")[0] == 0
    assert float(chrf.chrf(np.array(chrf.chrf_counts("card", ""), dtype=np.float64))) == 0


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_at_all_has_a_finite_value(reference, answer):
    for tokenisation in NAMES:
        assert 0 <= ours([(reference + "\ud800", answer + "\udfff")], tokenisation)[0] <= 100 + 1e-9
