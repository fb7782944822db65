"""Ratings that were made elsewhere: nothing is lost silently, nothing wrong gets in."""

from __future__ import annotations

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.evaluate.human import sheets
from seekloop.evaluate.human.sheets import argilla_settings, read, write
from seekloop.evaluate.human.spec import StudySpec, default_dimensions
from seekloop.evaluate.human.study import make, open_study
from seekloop.system.clock import SystemClock
from seekloop.system.errors import DataError, SeekloopError
from tests.evaluate.human.making import report
from tests.evaluate.human.saying import NAMES, prefers, rates


@pytest.fixture
def sheet(tmp_path):
    """Where a sheet is written."""
    return tmp_path / "sheet.csv"


def lines_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def fill(path, lines, *, encoding="utf-8"):
    with path.open("w", encoding=encoding, newline="") as file:
        sheet = csv.DictWriter(file, list(lines[0]))
        sheet.writeheader()
        sheet.writerows(lines)


def take(path, study):
    return read(path, study, clock=SystemClock())


def said_of(study):
    return [(one.rater, one.task, dict(one.values), one.winner, one.skipped, one.comment) for one in study.book.all()]


def test_a_sheet_is_blind_and_in_the_raters_own_order(study_of, sheet):
    study = study_of(ask=("rate", "prefer"))
    assert write(sheet, study, format="csv", raters=["ann"]) == 9
    text = sheet.read_text("utf-8-sig")
    assert not [name for name in (*study.spec.reports, "subject", "baseline") if name in text]
    write(sheet, study, format="csv", raters=["ann", "bob"])
    by = {rater: [one["item"] for one in lines_of(sheet) if one["rater"] == rater] for rater in ("ann", "bob")}
    assert by["ann"] != by["bob"] and sorted(by["ann"]) == sorted(by["bob"])


def test_what_is_exported_comes_back_the_same(study_of, sheet):
    study = study_of(ask=("rate", "prefer"))
    for place, task in enumerate(study.tasks):
        rating = prefers("ann", task, "baseline") if task.kind == "prefer" else rates("ann", task, 5, place % 6, 0)
        study.book.put(rating)
    study.book.put(rates("bob", study.tasks[0], 1, comment="=1+1", skipped=False))
    before = said_of(study)
    for format in ("csv", "argilla"):
        write(sheet, study, format=format, raters=study.spec.raters)
        while any(study.book.undo(rater) for rater in study.spec.raters):
            pass
        taken = take(sheet, study)
        assert (said_of(study), taken.ratings) == (before, len(before))


def test_cells_that_a_spreadsheet_would_run_are_disarmed(study_of, sheet, report_of, spec_of):
    study = study_of()
    study.book.put(rates("ann", study.tasks[0], 1, comment="=HYPERLINK(1)"))
    write(sheet, study, format="csv", raters=["ann"])
    assert "'=HYPERLINK(1)" in [one["comment"] for one in lines_of(sheet)]


def test_a_sheet_with_control_characters_in_an_answer_still_opens(ctx, asked, reports, sheet):
    facts = {"subject": ctx.store.load(reports[0].subject), "dataset": ctx.store.load(reports[0].dataset)}
    wild = report(ctx, asked, lambda one: "a\0b\x1b[31m", **facts)
    spec = StudySpec(name="wild", reports=(wild.id,), raters=("ann",), dimensions=default_dimensions())
    make(spec, ctx=ctx)
    with open_study("wild", ctx=ctx) as study:
        write(sheet, study, format="csv", raters=["ann"])
        assert take(sheet, study).gaps == 21
    assert {one["answer_1"] for one in lines_of(sheet)} == {"a\ufffdb\ufffd[31m"}


def test_gaps_partial_lines_and_repetitions_are_counted(study_of, sheet):
    study = study_of()
    study.book.put(rates("ann", study.tasks[0], 1, 1, 1))
    first, second, third = ({"rater": "ann", "item": task.id, **dict.fromkeys(NAMES, "")} for task in study.tasks)
    full = {**first, **dict.fromkeys(NAMES, "4")}
    fill(sheet, [full, full, {**second, "relevance": "3.0"}, third])
    taken = take(sheet, study)
    counts = (taken.lines, taken.ratings, taken.gaps, taken.partial, taken.duplicates, taken.replaced)
    assert counts == (4, 2, 1, 1, 1, 1)
    assert "1 gaps, 1 partial, 1 duplicates, 1 replaced" in taken.described()
    assert dict(study.book.of("ann")[study.tasks[1].id].values) == {"relevance": 3}


WRONG = [
    ({"relevance": "6"}, "human.bad_line"),
    ({"relevance": "-1"}, "human.bad_line"),
    ({"relevance": "4.5"}, "human.bad_line"),
    ({"relevance": "good"}, "human.bad_line"),
    ({"relevance": "nan"}, "human.bad_line"),
    ({"relevance": "inf"}, "human.bad_line"),
    ({"choice": "1"}, "human.bad_line"),
    ({"item": "0123456789abcdef", "relevance": "1"}, "human.unknown_item"),
    ({"rater": "eve", "relevance": "1"}, "human.unknown_rater"),
    ({"rater": "", "relevance": "1"}, "human.unknown_rater"),
]


def test_a_wrong_line_is_named_and_nothing_of_its_file_is_taken(study_of, sheet):
    study = study_of()
    empty = {"rater": "ann", "item": study.tasks[1].id, **dict.fromkeys(NAMES, ""), "choice": ""}
    right = {**empty, "item": study.tasks[0].id, **dict.fromkeys(NAMES, "4")}
    for wrong, code in WRONG:
        fill(sheet, [right, {**empty, **wrong}])
        with pytest.raises(DataError) as caught:
            take(sheet, study)
        assert (wrong, caught.value.code, caught.value.facts["where"]) == (wrong, code, f"{sheet}:3")
        assert study.book.all() == []


def test_two_lines_that_contradict_each_other_are_both_named(study_of, sheet):
    study = study_of()
    line = {"rater": "ann", "item": study.tasks[0].id, "relevance": "4"}
    fill(sheet, [line, {**line, "relevance": "2"}])
    with pytest.raises(DataError) as caught:
        take(sheet, study)
    assert caught.value.code == "human.contradiction"
    assert (caught.value.facts["first"], caught.value.facts["where"]) == (f"{sheet}:2", f"{sheet}:3")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_the_encodings_that_spreadsheets_write_are_read(study_of, sheet, encoding):
    study = study_of()
    comment = "回答基本正确，但是语气不够礼貌，需要修改之后再发给客户"
    fill(sheet, [{"rater": "ann", "item": study.tasks[0].id, "relevance": "4", "comment": comment}], encoding=encoding)
    assert take(sheet, study).encoding == encoding
    assert study.book.all()[0].comment == comment


def test_mixed_encodings_are_named_with_their_line(study_of, sheet):
    study = study_of()
    head = "rater,item,relevance,comment\n" + "".join(f"ann,{t.id},4,回答正确语气礼貌{t.id}\n" for t in study.tasks)
    sheet.write_bytes(head.encode() + f"bob,{study.tasks[0].id},4,".encode() + "好".encode("gb18030") + b"\n")
    with pytest.raises(DataError) as caught:
        take(sheet, study)
    assert (caught.value.code, caught.value.facts["where"]) == ("human.mixed_encoding", f"{sheet}:5")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "human.no_column"),
        ("who,item\n", "human.no_column"),
        ('rater,item\n"ann,1\n', "human.bad_line"),
        ('{"id": 1', "human.bad_line"),
        ('[{"id": "x", "responses": 3}]', "human.bad_line"),
        ('{"fields": {}}', "human.bad_line"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused(study_of, sheet, text, code):
    sheet.write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        take(sheet, study_of())
    assert caught.value.code == code


def test_what_argilla_s_server_gives_is_read_and_drafts_are_not(study_of, sheet):
    study = study_of()
    answers = {"relevance": {"value": 4}, "fluency": {"value": 5}, "safety": {"value": 5}}
    said = [
        {"user_id": "ann", "status": "submitted", "values": answers},
        {"user_id": "bob", "status": "draft", "values": {"relevance": {"value": 1}}},
    ]
    sheet.write_text(json.dumps([{"external_id": study.tasks[0].id, "responses": said}]), "utf-8")
    taken = take(sheet, study)
    assert (taken.ratings, taken.gaps) == (1, 1)


def test_argilla_is_told_the_questions(study_of):
    told = argilla_settings(study_of(ask=("rate", "prefer")))
    assert [one["name"] for one in told["questions"]] == [*NAMES, "choice", "comment"]
    assert told["questions"][0]["settings"]["options"] == [{"value": number} for number in range(6)]


@given(text=st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_reason(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    taken = sheets.Taken()
    try:
        list(sheets.lines(path, taken=taken, dimensions=()))
    except SeekloopError as error:
        assert error.sentence("en") and error.sentence("zh")
