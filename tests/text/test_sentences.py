"""Sentences: none is cut, none is lost, in Chinese and in English."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.text.sentences import sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("你好。再见！", ["你好。", "再见！"]),
        ("他说：“你好。”然后走了。", ["他说：“你好。”", "然后走了。"]),
        ("The fee is 0.5 %. Pay it.", ["The fee is 0.5 %. ", "Pay it."]),
        ("Mr. Li paid. See Fig. 3 and e.g. No. 4. Done.", ["Mr. Li paid. ", "See Fig. 3 and e.g. No. 4. ", "Done."]),
        ("Version 2.0 is out", ["Version 2.0 is out"]),
        ("等等……好的。", ["等等……", "好的。"]),
        ("费率0.5%。Fees apply. 完。", ["费率0.5%。", "Fees apply. ", "完。"]),
    ],
)
def test_a_sentence_ends_where_a_reader_says_so(text, parts):
    assert split(text) == parts


@given(st.text(alphabet="aB .。！?\n“”0-", max_size=60))
def test_sentences_together_are_the_text(text):
    assert "".join(split(text)) == text
