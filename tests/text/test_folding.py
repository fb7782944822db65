"""Folding in arrays: the same as the key of each text, with simplified characters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekloop.text.folding import fold, simplifies
from seekloop.text.normalize import key
from seekloop.text.script import simple_forms

ODD = "a1 .,:'’/-，。：I我電１ａ\u0301ｶﾞ가\u1161\u200b\U0001f600ßİ½…"
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()) | st.sampled_from(ODD), max_size=12)


@settings(max_examples=300)
@given(st.lists(ANY_TEXT, max_size=6))
def test_folding_many_texts_gives_the_key_of_each(texts):
    folded = fold(texts)
    assert [folded.text(place) for place in range(len(texts))] == [
        key(text).translate(simple_forms()) for text in texts
    ]


def test_every_character_of_the_first_plane_folds_as_its_key_says():
    characters = [f"a{chr(code)}1" for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    folded = fold(characters)
    wrong = [text for place, text in enumerate(characters) if folded.text(place) != key(text).translate(simple_forms())]
    assert wrong == []


def test_traditional_characters_become_simplified_ones():
    pytest.importorskip("opencc")
    assert simplifies()
    assert fold(["應繳電費！"]).text(0) == "应缴电费"
