"""Answers made elsewhere: good files in any dress, and bad ones by file and line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from seekloop.app.main import app
from seekloop.evaluate.predictions import compare_predictions, read_predictions, score_predictions
from seekloop.system.errors import DataError, UsageError

ROWS = [("余额已到账。", "余额到账了。"), ("We blocked the card.", ""), ("请等待两天。", "请等待两天。")]


def write(path, rows, *, encoding="utf-8"):
    lines = [json.dumps({"reference": one, "prediction": other}, ensure_ascii=False) for one, other in rows]
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def named(found):
    return {one.name: one for one in found}


def test_a_file_has_the_figures_of_a_report_but_those_it_cannot_tell(tmp_path):
    found = named(score_predictions(read_predictions(write(tmp_path / "a.jsonl", ROWS)), resamples=100))
    assert (found["exact_match"].value, found["empty_answers"].value) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert found["bleu_zh"].n == 2
    assert not {"ends_by_itself", "answer_tokens"} & set(found)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_the_encoding_does_not_matter(tmp_path, encoding):
    rows = ROWS * 20
    assert read_predictions(write(tmp_path / "a.jsonl", rows, encoding=encoding)) == read_predictions(
        write(tmp_path / "b.jsonl", rows)
    )


def test_a_csv_is_read_by_its_header(tmp_path):
    (tmp_path / "a.csv").write_text("id,reference,prediction\n7,card,card\n8,fee; card,card; fee\n9,fee,\n", "utf-8")
    answers = read_predictions(tmp_path / "a.csv", form="label")
    assert [(one.row, one.correct) for one in answers] == [("7", True), ("8", True), ("9", False)]


BAD = [
    ('{"prediction": "x"}', "prediction_missing"),
    ('{"reference": "x"}', "prediction_missing"),
    ('{"reference": "x", "prediction": null}', "prediction_missing"),
    ('{"reference": " ", "prediction": "x"}', "prediction_missing"),
    ('{"reference": "x", "prediction": NaN}', "prediction_not_text"),
    ('{"reference": 3, "prediction": "x"}', "prediction_not_text"),
    ('{"reference": "x", "prediction": "\\ud83d"}', "prediction_surrogate"),
    ('["x", "y"]', "prediction_not_json"),
    ('{"reference": "x", "prediction": "y"', "prediction_not_json"),
]


@pytest.mark.parametrize(("line", "code"), BAD)
def test_a_bad_row_is_named_by_file_and_line_and_never_a_zero(tmp_path, line, code):
    path = tmp_path / "a.jsonl"
    path.write_text('{"reference": "x", "prediction": "x"}\n\n' + line + "\n", "utf-8")
    with pytest.raises(DataError) as caught:
        read_predictions(path)
    assert (caught.value.code, caught.value.facts["where"]) == (f"evaluate.{code}", f"{path}:3")


def test_lines_of_two_encodings_are_refused_where_they_meet(tmp_path):
    path = tmp_path / "a.jsonl"
    good = json.dumps({"reference": "余额已到账，请您查收。", "prediction": "好的。"}, ensure_ascii=False) + "\n"
    path.write_bytes(good.encode() * 30 + good.encode("gb18030"))
    with pytest.raises(DataError) as caught:
        read_predictions(path)
    assert (caught.value.code, caught.value.facts["where"]) == ("evaluate.prediction_bytes", f"{path}:31")


def test_no_file_and_no_rows_are_told_apart(tmp_path):
    with pytest.raises(UsageError, match="no file"):
        read_predictions(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text("\n", "utf-8")
    with pytest.raises(DataError) as caught:
        read_predictions(tmp_path / "a.jsonl")
    assert caught.value.code == "evaluate.empty_predictions"


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=20).filter(str.strip), st.text(max_size=20)), min_size=1, max_size=6
    )
)
def test_every_row_is_scored_whatever_its_letters(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("predictions") / "a.jsonl"
    path.write_text("".join(json.dumps({"reference": a, "prediction": b}) + "\n" for a, b in rows), "utf-8")
    assert [(one.expected, one.got) for one in read_predictions(path)] == [(a.strip(), b.strip()) for a, b in rows]


def test_two_files_are_compared_on_the_same_references(tmp_path):
    first = read_predictions(write(tmp_path / "a.jsonl", ROWS))
    second = read_predictions(write(tmp_path / "b.jsonl", [(ROWS[0][0], ""), ("Another.", "x"), ROWS[2]]))
    found = {one.figure: one for one in compare_predictions(first, second, name="b.jsonl", resamples=100)}
    assert (found["empty_answers"].difference, found["empty_answers"].n) == (-0.5, 2)


def call(*words):
    return CliRunner().invoke(app, ["score", *map(str, words)])


def test_the_verb_prints_figures_and_differences(tmp_path):
    paths = [write(tmp_path / name, ROWS) for name in ("a.jsonl", "b.jsonl")]
    found = json.loads(call(paths[0], "--against", paths[1], "--json").stdout)
    assert {one["figure"]: one["difference"] for one in found["differences"]}["chrf"] == 0
    assert "exact_match" in call(paths[0]).stdout


def test_the_verb_names_the_forms_that_there_are(tmp_path):
    result = call(write(tmp_path / "a.jsonl", ROWS), "--answer", "labels")
    assert result.exception.code == "evaluate.unknown_form"
