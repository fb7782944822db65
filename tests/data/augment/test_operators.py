"""Operators: pure, seeded, careful with masks, and within their rates."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.artifact.rows import Message, Row, Source
from seekloop.data.augment import operators
from seekloop.data.augment.gate import is_near
from seekloop.data.augment.lexicon import Lexicon, read_groups
from seekloop.data.augment.resources import Kit
from seekloop.data.augment.rows import attempt, augmented, variants
from seekloop.data.augment.spec import AugmentSpec
from seekloop.data.intents import Example, LabelHead
from seekloop.system.errors import DataError, UsageError

ALL = ("synonym", "shuffle", "context", "punctuation", "typos", "mixed", "long", "empty_field")
KIT = Kit.of(AugmentSpec(operators=ALL))
TEXTS = [
    "Please cancel my order [PHONE], I want to get the money back today.",
    "请问怎么取消订单？我之前已经付款了，手机号[PHONE]。",
    "why",
    "",
    "？？？",
]


def row(text, label=None, name="row:1", **keys):
    messages = (Message(role="system", content="Name the intent."), Message(role="user", content=text))
    return Row(id=name, messages=messages, label=label, source=Source(file="a", line=1), **keys)


@given(text=st.sampled_from(TEXTS) | st.text(max_size=40), operator=st.sampled_from(ALL), seed=st.integers(0, 99))
def test_an_attempt_is_the_same_every_time_and_never_hurts_a_mask(text, operator, seed):
    one, other = (attempt(row(text), KIT, operator=operator, seed=seed, head=None) for _ in range(2))
    assert one == other
    if one.row is not None:
        assert one.row.id != "row:1" and one.row.meta["augmented_from"] == "row:1"
        assert one.row.messages[-1].content.count("[PHONE]") == text.count("[PHONE]")


@given(text=st.sampled_from(TEXTS[:2]), rate=st.floats(0.01, 0.05), seed=st.integers(0, 200))
def test_typos_stay_within_their_rate(text, rate, seed):
    made = operators.typos(text, Random(seed), rate=rate, homophones=KIT.homophones)
    assert abs(len(made) - len(text)) <= max(1, rate * len(text))
    assert is_near(text, made, operator="typos", window=(0.6, 1.0))


def test_a_chinese_word_is_replaced_whole():
    lexicon = Lexicon.of([["取消订单", "退单"], ["取消", "撤销"]])
    assert operators.synonym("怎么取消订单？", Random(1), lexicon=lexicon, rate=0.1) == "怎么退单？"


def test_a_capital_letter_stays_one():
    lexicon = Lexicon.of([["cancel", "stop"]])
    assert operators.synonym("Cancel it.", Random(1), lexicon=lexicon, rate=0.1) == "Stop it."


def test_sentences_keep_their_marks_and_clauses_leave_them_in_place():
    assert operators.shuffle("我付款了。怎么取消？", Random(1)) == "怎么取消？我付款了。"
    assert operators.shuffle("I paid, now I wait.", Random(1)) == "now I wait, I paid."


def test_distractors_are_in_the_language_of_the_text():
    made = operators.context(TEXTS[1], Random(3), distractors=KIT.distractors)
    assert TEXTS[1] in made and not any(letter in made.replace("[PHONE]", "") for letter in "abcdefg")


def test_a_long_case_is_long_and_still_holds_the_text():
    made = operators.long(TEXTS[0], Random(3), chars=600, distractors=KIT.distractors)
    assert len(made) >= 600 and TEXTS[0] in made


def test_an_empty_field_case_leaves_out_what_the_row_can_do_without():
    tried = attempt(row(TEXTS[0]), KIT, operator="empty_field", seed=1, head=None)
    assert [message.role for message in tried.row.messages] == ["user"]


def test_an_epoch_sees_its_own_variant_and_the_first_the_row_itself():
    given_row = row(TEXTS[0])
    seen = [augmented(given_row, KIT, epoch=epoch, seed=7) for epoch in range(8)]
    assert seen[0] == given_row and seen == [augmented(given_row, KIT, epoch=epoch, seed=7) for epoch in range(8)]
    assert len({one.messages[-1].content for one in seen}) > 3


def test_variants_do_not_depend_on_the_rows_around_them():
    alone = list(variants(row(TEXTS[0], name="row:b"), KIT, seed=7))
    list(variants(row(TEXTS[1], name="row:a"), KIT, seed=7))
    assert list(variants(row(TEXTS[0], name="row:b"), KIT, seed=7)) == alone


@pytest.mark.parametrize(
    ("text", "variant", "operator", "near"),
    [
        ("please cancel my order", "please cancel my order", "synonym", False),
        ("please cancel my order today", "please cancel my orders today", "synonym", True),
        ("please cancel my order", "the weather is fine", "back_translation", False),
        ("please cancel my order", "please cancel my order!!!", "punctuation", True),
        ("please cancel my order", "please cancel my order!!!", "synonym", False),
        ("cancel it now", "It is my first time here. cancel it now", "context", True),
    ],
)
def test_the_gate_lets_through_what_says_the_same_in_other_words(text, variant, operator, near):
    assert is_near(text, variant, operator=operator, window=(0.75, 0.98)) is near


def test_a_variant_that_loses_its_label_is_not_made():
    texts = [("cancel order", "cancel"), ("card lost", "card")]
    examples = [Example(f"row:{label}{n}", f"my {text} {n}", label) for text, label in texts for n in range(40)]
    head = LabelHead.train(lambda: examples, labels=["cancel", "card"])
    kit = Kit.of(AugmentSpec(operators=("context",)))
    said = [one.reason for one in variants(row("my card is lost", label="cancel"), kit, seed=1, head=head)]
    assert set(said) == {"label_changed"}


def test_back_translation_without_a_translator_is_refused():
    with pytest.raises(UsageError, match="needs a translator"):
        AugmentSpec.parse({"operators": ["back_translation"]})


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        (
            "UTF-8\ncancel|2\n(verb)|call off|scratch|delete (generic term)\n(verb)|strike down\n"
            "call off|1\n(verb)|cancel\nwhat|1\n(adv)|thing\nstop|2\n(verb)|halt\n(noun)|halt\nhalt|1\n(verb)|stop\n",
            [["cancel", "call off"], ["call off", "cancel"], ["halt", "stop"]],
        ),
        ("Aa01A01= 人 人士\nAa01A02# 人类 生人\n", [["人", "人士"], ["人士", "人"]]),
        ("取消，撤销\n", [["取消", "撤销"], ["撤销", "取消"]]),
        ("电脑 计算机\n", [["电脑", "计算机"], ["计算机", "电脑"]]),
    ],
)
def test_lists_of_synonyms_are_read_in_the_forms_they_come_in(tmp_path, text, groups):
    (tmp_path / "list").write_text(text, "utf-8")
    assert list(read_groups(tmp_path / "list")) == groups


def test_a_list_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "list").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError) as caught:
        Kit.of(AugmentSpec(), synonyms=[tmp_path / "list"])
    assert caught.value.code == "augment.bad_list"
