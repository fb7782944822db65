"""WER and CER: the usual figures, checked by hand and against jiwer."""

from __future__ import annotations

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics.transcription import Errors, error_rate, errors, interval, units

WORDS = st.lists(st.sampled_from(["a", "card", "lost", "my", "the"]), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("of", "reference", "heard", "edits", "tokens"),
    [
        ("wer_en", "I lost my card.", "i lost the card", 1, 4),
        ("wer_en", "I don't know", "I dont know!", 0, 3),
        ("wer_en", "one two three", "", 3, 3),
        ("wer_en", "yes", "oh yes yes", 2, 1),
        ("cer_zh", "广州市房地产中介协会分析", "广州市佛地产中间协会分析", 2, 12),
        ("cer_zh", "我的Visa卡", "我的visa卡。", 0, 7),
    ],
)
def test_edits_are_counted_as_by_hand(of, reference, heard, edits, tokens):
    assert errors(reference, heard, of=of) == Errors(edits, tokens)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
def test_the_rate_is_what_jiwer_says(pairs):
    texts = [(" ".join(reference), " ".join(heard)) for reference, heard in pairs]
    ours = error_rate([errors(*pair, of="wer_en") for pair in texts])
    assert ours == pytest.approx(jiwer.wer([one for one, _ in texts], [other for _, other in texts]))


def test_chinese_counts_characters_and_no_marks():
    assert units("您好，ＡＢ 12。", of="cer_zh") == ["您", "好", "a", "b", "1", "2"]


def test_one_recording_has_no_interval():
    assert interval([Errors(1, 10)], seed=1) is None


def test_an_interval_holds_the_rate():
    found = [Errors(0, 10), Errors(4, 10), Errors(1, 20)]
    low, high = interval(found, seed=1) or (1.0, 0.0)
    assert 0 <= low <= error_rate(found) <= high <= 0.4


def test_no_reference_is_a_defect():
    with pytest.raises(ValueError, match="no tokens"):
        error_rate([Errors(3, 0)])
