"""The blocks one by one: clean, noise, dedupe, leak, compose."""

from __future__ import annotations

import pytest

from seekloop.artifact.rows import Message, Row, Source
from seekloop.data.clean import clean
from seekloop.data.compose import choose_answer, compose
from seekloop.data.dedupe import Deduper, Twin
from seekloop.data.leak import Guard
from seekloop.data.noise import noise, unusable
from seekloop.data.spec import CleanSpec, ComposeSpec, DedupeSpec, FilterSpec
from seekloop.text.pii import Redactor
from seekloop.text.shingles import Prints, prints

LONG = "Hello, what is the most that I can withdraw at the counter without giving notice?"


def row(text: str, reply: str | None = None, *, label: str | None = None, name: str = "row:1", **keys) -> Row:
    answer = () if reply is None else (Message(role="assistant", content=reply),)
    messages = (Message(role="user", content=text), *answer)
    return Row(id=name, messages=messages, label=label, source=Source(file="f", line=1), **keys)


def mark(*texts: str) -> Prints:
    return prints(texts)


def check(deduper: Deduper, given: Row, text: str) -> Twin | None:
    return deduper.check([given], mark(text))[0]


def test_cleaning_reaches_every_text_of_a_row_and_counts_what_it_masks():
    call = {"function": {"name": "call", "arguments": '{"to": "13812345678"}'}}
    turns = (
        Message(role="user", content="　我是a@example.com　"),
        Message(role="assistant", content="ok", reasoning="call 13812345678", tool_calls=(call,)),
    )
    dirty = row("", meta={"raw": "tel 13812345678"}).model_copy(update={"messages": turns})
    cleaned, masked = clean(dirty, CleanSpec())
    assert cleaned.messages[0].content == "我是[EMAIL]"
    assert cleaned.messages[1].reasoning == "call [PHONE]"
    assert cleaned.messages[1].tool_calls[0]["function"]["arguments"] == '{"to": "[PHONE]"}'
    assert (cleaned.meta, cleaned.id) == ({"raw": "tel [PHONE]"}, dirty.id)
    assert masked == {"phone": 3, "email": 1}


def test_a_subject_that_is_personal_data_becomes_a_pseudonym_under_the_key():
    keyed, other = (Redactor(CleanSpec().pii.by_kind, key=lambda byte=byte: bytes([byte]) * 32) for byte in (1, 2))
    first, _ = clean(row("a", subject="13812345678"), CleanSpec(), redactor=keyed)
    again, _ = clean(row("b", subject="+86 138-1234-5678"), CleanSpec(), redactor=keyed)
    assert first.subject == again.subject != "13812345678"
    assert clean(first, CleanSpec(), redactor=keyed)[0].subject == first.subject
    assert clean(row("a", subject="13812345678"), CleanSpec(), redactor=other)[0].subject != first.subject
    assert clean(row("a", subject="C1042"), CleanSpec())[0].subject == "C1042"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("  ", "empty"),
        ("👍 !!! 🙏", "no_letters"),
        ("x", "too_short"),
        ("word and another " * 2_000, "too_long"),
        ("Test test TEST test", "repeated"),
        ("please help " * 30, "repeated"),
        ("哈哈哈哈", "repeated"),
        ("asdfghjkl qwertyuiop", "keyboard_mash"),
        ("jkhgkjhsdfkjh", "keyboard_mash"),
        ("Kind regards,", "boilerplate"),
        ("Sent from my iPhone", "boilerplate"),
        ("发自我的iPhone", "boilerplate"),
        ("купить дешево", "other_language"),
    ],
)
def test_each_kind_of_noise_is_named(text, rule):
    assert noise(row(text), FilterSpec(languages=("en", "zh"))) == rule


@pytest.mark.parametrize(
    "text",
    [
        "hi",
        "1+1=?",
        "[PHONE]",
        "call [PHONE~qwertyuiopbcdfghjklmn2]",
        "no",
        "我的卡丢了",
        "property strengths",
        "Regards to your team, but where is my card?",
    ],
)
def test_short_and_odd_but_real_messages_stay(text):
    assert noise(row(text), FilterSpec(languages=("en", "zh"))) is None


@pytest.mark.parametrize(
    ("given", "answer", "reason"),
    [
        (row("a", "b"), "label_then_text", "missing_label"),
        (row("a", label="x"), "label_then_text", "missing_answer"),
        (row("a", " ", label="x"), "text", "missing_answer"),
        (row("a", "b", label="z"), "label", "unknown_label"),
        (row("a", label="x"), "label", None),
        (row("a").model_copy(update={"messages": (Message(role="assistant", content="b"),)}), "text", "bad_turns"),
    ],
)
def test_a_row_must_have_what_its_answer_holds(given, answer, reason):
    assert unusable(given, answer, labels=("x", "y")) == reason


def test_the_first_of_twins_stays_and_is_named():
    deduper = Deduper(DedupeSpec())
    texts = [LONG, LONG.upper(), LONG.replace("giving", "giving any"), "something else"]
    twins = deduper.check([row(text, label="x", name=f"row:{n}") for n, text in enumerate(texts)], mark(*texts))
    assert [None if twin is None else (twin.reason, twin.id) for twin in twins] == [
        None,
        ("duplicate_exact", "row:0"),
        ("duplicate_near", "row:0"),
        None,
    ]


def test_the_same_text_with_another_label_is_a_conflict_a_like_text_is_not():
    deduper = Deduper(DedupeSpec())
    assert check(deduper, row(LONG, label="x"), LONG) is None
    conflict = check(deduper, row(LONG, label="y"), LONG)
    assert conflict is not None
    assert conflict.reason == "label_conflict"
    near = LONG.replace("giving", "giving any")
    assert check(deduper, row(near, label="y"), near) is None


def test_unlabelled_rows_are_compared_with_their_answers():
    deduper = Deduper(DedupeSpec())
    assert check(deduper, row("hi", "Hello, how can I help you?"), "hi") is None
    assert check(deduper, row("hi", "Good morning!", name="row:2"), "hi") is None
    assert check(deduper, row("hi", "Good morning", name="row:3"), "hi").id == "row:2"


@pytest.mark.parametrize(
    ("settled", "fixed", "reason"),
    [
        ("test", None, "leak_test"),
        ("validation", None, "leak_validation"),
        ("train", None, None),
        ("train", "test", "leak_train"),
        ("test", "test", None),
        ("test", "validation", "leak_test"),
        ("train", "validation", "leak_train"),
        ("test", "train", "leak_test"),
    ],
)
def test_what_was_tested_is_not_trained_and_what_was_trained_is_not_tested(settled, fixed, reason):
    guard = Guard(0.9)
    guard.settle(settled, [row(LONG, name="row:old")])
    near, same = guard.check(mark(LONG.replace("giving", "giving any"), LONG), [fixed, fixed])
    assert (near.twin and near.twin.reason) == (same.twin and same.twin.reason) == reason
    assert near.trained == same.trained == (settled == "train")


@pytest.mark.parametrize(
    ("answer", "reply", "content"),
    [
        ("text", "I froze it.", "I froze it."),
        ("label", "I froze it.", "card_lost"),
        ("label", None, "card_lost"),
        ("label_then_text", "I froze it.", "card_lost\nI froze it."),
        ("label_then_text", "card_lost\nI froze it.", "card_lost\nI froze it."),
    ],
)
def test_the_answer_takes_the_chosen_form_once(answer, reply, content):
    composed = compose(row("lost", reply, label="card_lost"), ComposeSpec(system="Be kind."), answer=answer)
    again = compose(composed, ComposeSpec(system="Be kind."), answer=answer)
    assert [m.role for m in again.messages] == ["system", "user", "assistant"]
    assert again.messages[-1].content == content


@pytest.mark.parametrize(
    ("labelled", "answered", "answer"), [(9, 9, "label_then_text"), (9, 1, "label"), (1, 9, "text"), (0, 0, "text")]
)
def test_the_form_of_answer_follows_what_most_rows_have(labelled, answered, answer):
    assert choose_answer(ComposeSpec(), rows=10, labelled=labelled, answered=answered) == answer
