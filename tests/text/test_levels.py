"""The levels of normalising: what they change, what they never touch, and that twice is once."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.system.errors import UsageError
from seekloop.text.levels import Normaliser, NormaliseSpec
from seekloop.text.protect import spans
from seekloop.text.script import simplified, traditional

NOW = dt.datetime(2026, 11, 22, 10)
GOLD = [json.loads(line) for line in Path(__file__).with_name("normalise_gold.jsonl").read_text("utf-8").splitlines()]
ALL = Normaliser(
    NormaliseSpec(
        punctuation=True,
        repeats=True,
        case="lower",
        script="simplified",
        numbers="digits",
        times="iso",
        keep=("Ace 五",),
    )
)
WORDS = (
    *(
        "一百二十",
        "三万5",
        "两",
        "点",
        "三",
        "百分之",
        "五十",
        "块",
        "毛",
        "明天",
        "下午",
        "三点半",
        "到",
        "上周五",
        "月底",
        "年",
    ),
    *(
        "2024",
        "-",
        "3",
        "5",
        "号",
        "日",
        "/",
        ".",
        ",",
        "，",
        "！",
        "!",
        "?",
        "…",
        " ",
        "\n",
        "twenty",
        "five",
        "and a half",
    ),
    *(
        "percent",
        "dollars",
        "tomorrow",
        "at",
        "3pm",
        "two days ago",
        "March",
        "next Friday",
        "`",
        "```",
        "[PHONE]",
        "ＡＢ",
    ),
    *(
        "13800138000",
        "AB-12",
        "https://a.cn/一百",
        "x@y.com",
        '{"a": "三十"}',
        "應繳",
        "{{Order Number}}",
        "Ace 五",
        "(",
        ")",
    ),
)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=12).map("".join) | st.text(max_size=40)
PROTECTED = (
    "13800138000",
    "AB-12345",
    "a_b@y.com",
    "https://a.cn/twenty",
    "[PHONE]",
    "`一百 二十！！`",
    "Ace 五",
    "{{三十 X}}",
)
PROTECTED += ("```\n三十五  ！！\n```", '{"n": "三十五", "t": [1]}', "6222 0000 1111 2222", "SKU_99", "0731-88886666")


@pytest.mark.parametrize("case", GOLD, ids=lambda case: case["text"])
def test_numbers_and_times_are_read_as_a_person_reads_them(case):
    level = {"times": "iso"} if case["kind"].startswith("time") else {"numbers": "digits"}
    assert Normaliser(NormaliseSpec(**level))(case["text"], at=NOW)[0] == case["expected"]


@given(TEXTS)
def test_normalising_twice_changes_nothing_more(text):
    once, _ = ALL(text, at=NOW)
    assert ALL(once, at=NOW) == (once, {})


@given(TEXTS)
def test_speech_form_twice_changes_nothing_more(text):
    level = Normaliser(NormaliseSpec(numbers="words"))
    once, _ = level(text)
    assert level(once)[0] == once


@pytest.mark.parametrize("token", PROTECTED)
@pytest.mark.parametrize(
    "around", ["我要退{}，一百二十块钱！！", "Refund {} by tomorrow, twenty dollars!!", "三十{}五十"]
)
def test_what_is_protected_passes_every_level(token, around):
    assert token in ALL(around.replace("{}", f" {token} "), at=NOW)[0]


@given(TEXTS)
def test_the_mask_is_in_order_and_without_overlaps(text):
    found = spans(text)
    assert all(0 <= start < end <= len(text) for start, end in found)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(found))


@pytest.mark.parametrize("text", ["明天下午三点", "two days ago", "上周五", "本月底", "今晚8点", "next Friday at 3pm"])
def test_relative_times_stay_where_the_record_has_no_time(text):
    assert Normaliser(NormaliseSpec(times="iso"))(text) == (text, {})


def test_the_day_is_that_of_the_people_who_wrote():
    at = dt.datetime(2026, 11, 22, 16, 30, tzinfo=dt.UTC)
    assert Normaliser(NormaliseSpec(times="iso", zone="Asia/Shanghai"))("今天", at=at)[0] == "2026-11-23"


@pytest.mark.parametrize(("day_first", "date"), [(True, "2026-05-03"), (False, "2026-03-05"), (None, "3/5/2026")])
def test_an_ambiguous_date_is_read_as_the_dial_says(day_first, date):
    assert Normaliser(NormaliseSpec(times="iso", day_first=day_first))("3/5/2026")[0] == date


@pytest.mark.parametrize(
    ("given_text", "expected", "counts"),
    [
        ("我的卡丢了,怎么办?", "我的卡丢了，怎么办？", {"punctuation": 2}),
        ("Where is it？I paid。", "Where is it? I paid.", {"punctuation": 2}),
        ("太慢了！！！", "太慢了！", {"repeats": 1}),
        ("wait... what??", "wait... what?", {"repeats": 1}),
        ("应缴$1.2k", "应缴$1.2k", {}),
    ],
)
def test_punctuation_follows_the_language_of_its_sentence(given_text, expected, counts):
    assert Normaliser(NormaliseSpec(punctuation=True, repeats=True))(given_text) == (expected, counts)


def test_script_and_regional_words():
    assert simplified("應繳電費") == "应缴电费"
    assert simplified("軟體", region="taiwan", words=True) == "软件"
    assert traditional("里面的软件", region="hong_kong") == "裏面的軟件"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-11-23 15:00付128.50元", "二〇二六年十一月二十三日十五点整付一百二十八元五角"),
        ("占50%，电话13800138000", "占百分之五十，电话13800138000"),
        ("I paid $20.50 at 15:05", "I paid twenty dollars and fifty cents at three oh five p.m."),
    ],
)
def test_figures_are_read_aloud(text, said):
    assert Normaliser(NormaliseSpec(numbers="words"))(text)[0] == said


@pytest.mark.parametrize("spec", [{"zone": "Asia/Nowhere"}, {"keep": ["("]}, {"numbers": "digit"}])
def test_a_dial_that_cannot_be_is_refused(spec):
    with pytest.raises(UsageError) as caught:
        NormaliseSpec.parse(spec)
    assert caught.value.code == "system.spec_bad_value"


def test_true_and_false_mean_what_they_meant():
    assert NormaliseSpec.model_validate(True) == NormaliseSpec()
    assert Normaliser(NormaliseSpec.model_validate(False))(" ＡＢ ")[0] == " ＡＢ "


def test_the_width_of_a_full_stop_does_not_swing_with_the_language_of_what_follows():
    level = Normaliser(NormaliseSpec(punctuation=True))
    once, _ = level("[PHONE]Ace 五.一百二十一百二十")
    assert level(once) == (once, {})
