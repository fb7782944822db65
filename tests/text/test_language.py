"""Languages of one script are told apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from seekloop.text.language import KNOWN, detect, told_by

ROWS = [line.split("\t") for line in (Path(__file__).parent / "languages.tsv").read_text("utf-8").splitlines()]


def test_short_messages_of_twelve_languages_are_told_apart():
    wrong = [(language, text, detect(text)) for language, text in ROWS if detect(text)[0] != language]
    assert len({language for language, _ in ROWS}) == 12
    assert len(wrong) <= 2, wrong


def test_every_language_of_the_rows_is_known():
    assert set(Counter(language for language, _ in ROWS)) <= set(KNOWN)


def test_the_script_alone_calls_every_latin_text_english():
    assert told_by("script", least=0.7)("Wo bleibt mein Paket?") == "en"
    assert told_by("model", least=0.7)("Wo bleibt mein Paket?") == "de"


def test_what_the_model_is_not_sure_of_is_no_language():
    assert told_by("model", least=0.99)("OK") == "und"
    assert detect("12345")[0] == "und"
