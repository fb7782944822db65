"""The table of readers: kinds of source by their key, optional packages only when used, other packages' readers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from seekloop.data.read import read_corpus
from seekloop.data.read.readers import OPENERS
from seekloop.data.sources import KINDS, SourceSpec
from seekloop.system import settings
from seekloop.system.errors import UsageError
from seekloop.system.lazy import resolve

PLUGIN = """
from seekloop.data.read.stream import Record, Stream
def open_it(source, desk):
    words = source.plugin.options["words"]
    records = (Record(line=n, value={"text": word, "intent": "x"}, meta={"page": n}) for n, word in enumerate(words))
    yield Stream(shown=source.shown, container="words", records=records, source=source)
"""


def test_every_kind_of_source_has_an_opener():
    assert set(OPENERS) == set(KINDS) - {"plugin", "corpus"}  # rows of a corpus are not read anew
    assert all(callable(resolve(target)) for target in OPENERS.values())


@pytest.mark.parametrize(
    "source", [{}, {"path": "a", "sql": {"url": "sqlite:///a", "table": "t"}}, {"encoding": "utf-8"}]
)
def test_a_source_is_of_exactly_one_kind(source):
    with pytest.raises(UsageError) as caught:
        SourceSpec.parse(source)
    assert "one of the keys path" in caught.value.sentence("en")


def test_a_mistyped_key_of_a_source_is_named_with_the_likely_one():
    with pytest.raises(UsageError) as caught:
        SourceSpec.parse({"rest": {"url": "https://x", "auth": {"by": "bearer", "tokn": "${A}"}}})
    assert caught.value.facts["suggestion"] == "; did you mean token?"


def test_a_reader_of_another_package_enters_by_entry_point(tmp_path, monkeypatch, room, said):
    (tmp_path / "wordy.py").write_text(PLUGIN)
    info = tmp_path / "wordy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wordy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[seekloop.readers]\nwords = wordy:open_it\n")
    monkeypatch.syspath_prepend(tmp_path)
    source = SourceSpec.parse({"plugin": {"name": "words", "options": {"words": ["one card", "two cards"]}}})
    corpus = read_corpus([source], ctx=room)
    assert (corpus.rows, corpus.formats, corpus.sources) == (2, ("words/labelled",), ("plugin:words",))


def test_a_secret_in_the_options_of_a_plug_in_is_refused():
    with pytest.raises(UsageError) as caught:
        SourceSpec.parse({"plugin": {"name": "words", "options": {"api_token": "abc"}}})
    assert caught.value.code == "system.spec_bad_value"


def test_a_reader_that_is_not_installed_is_named(room):
    with pytest.raises(UsageError) as caught:
        read_corpus([SourceSpec.parse({"plugin": {"name": "words"}})], ctx=room)
    assert caught.value.code == "data.unknown_reader"


PROBE = """
import sys
import seekloop.data.spec, seekloop.data.read
print(sorted({"pyarrow", "openpyxl", "sqlalchemy.orm", "httpx2", "pg8000"} & set(sys.modules)))
"""


def test_optional_packages_are_loaded_only_when_a_source_needs_them():
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=settings.child_environment())
    assert done.stdout.strip() == "[]"
