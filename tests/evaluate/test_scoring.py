"""One answer against its row: what counts as right, and what is compared with what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.artifact.rows import Message, Row, Source
from seekloop.evaluate import scoring
from seekloop.text import labelled


def scored(expected, got, *, form="label_then_text", label="card_lost", question="Where is my card?", calls=((), ())):
    turns = (
        Message(role="user", content=question),
        Message(role="assistant", content=expected, tool_calls=calls[0]),
    )
    row = Row(id="row:1", messages=turns, label=label, source=Source(file="a", line=1))
    answer = Message(role="assistant", content=got, tool_calls=calls[1])
    return scoring.score(row, answer, form=form, finish_reason="stop", completion_tokens=5)


def call(arguments):
    return {"type": "function", "function": {"name": "block", "arguments": arguments}}


@pytest.mark.parametrize(
    ("form", "answer", "parts"),
    [
        ("text", " a\nb ", (None, "a\nb")),
        ("label", " card_lost\n", ("card_lost", "")),
        ("label", "card_lost\nWe", ("card_lost\nWe", "")),
        ("label_then_text", "card_lost \n\n We block it.", ("card_lost", "We block it.")),
        ("label_then_text", "card_lost", ("card_lost", "")),
        ("label_then_text", "  ", (None, "")),
    ],
)
def test_an_answer_is_split_by_its_form(form, answer, parts):
    assert labelled.split(answer, form) == parts


def test_the_right_label_is_right_whatever_the_text():
    one = scored("card_lost\nWe have blocked it.", "card_lost\nSomething else")
    assert (one.correct, one.exact, one.got_label, one.text) == (True, False, "card_lost", "Something else")


@pytest.mark.parametrize(
    "got", ["", "wrong_fee\nWe have blocked it.", "card_lost.", "Card_lost", "the label: card_lost"]
)
def test_any_other_first_line_is_wrong(got):
    assert not scored("card_lost\nWe have blocked it.", got).correct


def test_a_label_answer_must_be_nothing_but_the_label():
    assert scored("card_lost", "card_lost ", form="label").correct
    assert not scored("card_lost", "card_lost\nand more", form="label").correct


def test_free_text_is_right_when_it_is_the_same_outer_blanks_aside():
    same, other = (scored("Yes.", got, form="text", label=None) for got in (" Yes.\n", "Yes"))
    assert (same.correct, other.correct, same.label) == (True, False, None)


def test_overlap_is_of_the_text_without_the_label():
    assert scored("card_lost\nwe block it", "wrong_fee\nwe block it").rougeL == 1
    assert scored("card_lost\nwe block it", "card_lost").rougeL == 0
    assert scored("card_lost", "card_lost", form="label").rougeL is None


def test_chinese_text_is_compared_by_characters():
    one = scored("card_lost\n卡已冻结", "card_lost\n卡冻结了")
    assert (one.language, one.rougeL) == ("zh", pytest.approx(0.75))


def test_a_language_without_tokenisation_is_not_scored_as_zero():
    assert scored("card_lost\nКарта заблокирована", "card_lost\nКарта заблокирована").rougeL is None


def test_text_without_a_token_is_not_scored_as_zero():
    assert scored("card_lost\n!!!", "card_lost\n!!!").rougeL is None


def test_tool_calls_are_part_of_the_answer():
    right = scored("", "", form="text", calls=((call('{"id": 7}'),), (call('{"id":7}'),)))
    wrong = scored("", "", form="text", calls=((call('{"id": 7}'),), (call('{"id": 8}'),)))
    none = scored("", "", form="text", calls=((call('{"id": 7}'),), ()))
    assert [one.correct for one in (right, wrong, none)] == [True, False, False]


@given(st.text(max_size=80), st.text(max_size=80))
def test_answers_read_back_as_they_were_written(tmp_path_factory, expected, got):
    path = tmp_path_factory.mktemp("answers") / "answers.jsonl"
    answers = [scored(expected, got), scored("card_lost\n好", "card_lost\n好")]
    scoring.write_answers(path, answers)
    assert scoring.read_answers(path) == answers
