"""Kinds and rows: what is refused when they are made, and that rows survive their file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seekloop.artifact.kinds import Dataset, Figure, Report, parse
from seekloop.artifact.rows import Message, Row, Source, read_rows, row_id, write_rows
from seekloop.system.errors import ArtifactError
from tests.artifact.making import ORIGIN, checkpoint, corpus, make_report

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=TEXT,
    reasoning=st.none() | TEXT,
    tool_calls=st.lists(st.dictionaries(TEXT, st.integers() | TEXT, max_size=2), max_size=2).map(tuple),
    train=st.none() | st.booleans(),
)
ROWS = st.builds(
    Row,
    id=TEXT,
    messages=st.lists(MESSAGES, max_size=3).map(tuple),
    label=st.none() | TEXT,
    source=st.builds(Source, file=TEXT, line=st.integers(1)),
    dropped=st.none() | TEXT,
    meta=st.dictionaries(TEXT, TEXT | st.booleans() | st.none(), max_size=2),
)


@given(rows=st.lists(ROWS, max_size=5))
def test_rows_come_back_from_their_file_as_they_were(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    assert write_rows(path, rows) == len(rows)
    assert list(read_rows(path)) == rows
    assert len(path.read_bytes().splitlines()) == len(rows)


def test_a_row_id_depends_on_what_was_read_and_on_nothing_else():
    assert row_id({"a": 1, "b": "文"}) == row_id({"b": "文", "a": 1}) != row_id({"a": 1, "b": "字"})


def test_a_dataset_whose_rows_do_not_add_up_cannot_be_made():
    with pytest.raises(ValidationError, match="5 in, 3 kept, 1 dropped"):
        Dataset(made_by=ORIGIN, rows=5, splits={"train": 3}, dropped={"empty": 1})


def test_a_figure_that_is_not_there_is_an_error_that_lists_the_others():
    report: Report = make_report(checkpoint("full"), corpus())
    assert report.figure("accuracy").value == 0.9
    with pytest.raises(ArtifactError) as caught:
        report.figure("f1")
    assert (caught.value.code, caught.value.facts["known"]) == ("artifact.no_figure", "accuracy")


def test_a_figure_cannot_be_nan():
    with pytest.raises(ValidationError):
        Figure(name="accuracy", value=float("nan"), n=1)


def test_the_id_follows_the_content_and_not_the_order_it_was_given_in():
    one, two = corpus(parents={"a": "x", "b": "y"}), corpus(parents={"b": "y", "a": "x"})
    assert one.id == two.id != corpus(parents={"a": "y", "b": "x"}).id
    assert parse(one.model_dump(mode="json"), where="test").id == one.id
