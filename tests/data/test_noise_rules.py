"""Rules for replies and for broken text: what they find, and what they leave alone."""

from __future__ import annotations

import random

import pytest

from seekloop.artifact.rows import Message, Row, Source
from seekloop.data.noise import noise
from seekloop.data.relevance import Relevance
from seekloop.data.spec import FilterSpec

ALL = FilterSpec(rules=(*FilterSpec().rules, "placeholder"))
ILLS = [(chr(0x4E00 + 7 * n) + chr(0x5000 + 11 * n), chr(0x6000 + 5 * n) + chr(0x7000 + 3 * n)) for n in range(40)]


def row(text: str, reply: str | None = None, *, name: str = "row:1") -> Row:
    answer = () if reply is None else (Message(role="assistant", content=reply),)
    return Row(id=name, messages=(Message(role="user", content=text), *answer), source=Source(file="f", line=1))


@pytest.mark.parametrize(
    ("text", "reply", "rule"),
    [
        ("锟斤拷锟斤拷 card", None, "mojibake"),
        ("my cafÃ© card donâ€™t work", None, "mojibake"),
        ("你好，我的卡丢了".encode().decode("gb18030", "replace"), None, "mojibake"),
        ("What is the fee?", "The fee is \ufffd\ufffd\ufffd", "mojibake"),
        ("Where is my new card?", "where is my new card", "echoed_reply"),
        ("Where is my card?", "It is on the way. " * 60, "repeated_reply"),
        ("Where is my card?", "...", "reply_too_short"),
        ("Cancel {{Order Number}}", "Done", "placeholder"),
        ("写一封信", "尊敬的[姓名]，您好", "placeholder"),
    ],
)
def test_each_kind_of_noise_is_named(text, reply, rule):
    assert noise(row(text, reply), ALL) == rule


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("Hello", "Hello!"),
        ("café, naïve, Ångström, São Paulo", "Ça va, garçon"),
        ("这家银行的利率是多少？", "年利率为百分之三"),
        ("数据里有一个坏字符\ufffd，" + "其余都很正常，请帮我看看账单。" * 4, "好的"),
        ("damn card does not work", "Sorry to hear that"),
        ("List ten numbers", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10"),
        ("價格多少", "東京都の天気"),
    ],
)
def test_odd_but_real_rows_stay(text, reply):
    assert noise(row(text, reply), FilterSpec()) is None


def corpus() -> list[Row]:
    """Questions about one of forty ills, each with the words of its own cure, and never a word in common."""
    chance, rows = random.Random(0), []
    for n in range(800):
        ill, cure = ILLS[n % 40]
        asked = f"{ill}怎么办呢{chr(0x8000 + chance.randrange(900))}{ill[::-1]}请说说看"
        rows.append(
            row(asked, f"{cure}服用即可{chr(0x8800 + chance.randrange(900))}{cure[::-1]}多休息", name=f"row:{n}")
        )
    return rows


def test_a_reply_to_another_question_is_irrelevant_and_a_cure_without_common_words_is_not():
    rows = corpus()
    swapped = rows[7].model_copy(update={"messages": (rows[7].messages[0], rows[20].messages[1])})
    relevance = Relevance(association=0.5)
    for one in (*rows[:7], swapped, *rows[8:]):
        relevance.count(one)
    for one in (*rows[:7], swapped, *rows[8:]):
        relevance.relate(one)
    spec = FilterSpec(rules=("irrelevant_reply",))
    assert noise(swapped, spec, relevance=relevance) == "irrelevant_reply"
    assert [one.id for one in rows[:7] if noise(one, spec, relevance=relevance)] == []


def test_few_rows_do_not_tell_what_is_relevant(write, make, said):
    rows = [{"question": f"{q.messages[0].content}", "answer": q.messages[1].content} for q in corpus()[:40]]
    spec = {"sources": [{"path": write("a.jsonl", rows)}], "filter": {"rules": ["irrelevant_reply"]}}
    assert "irrelevant_reply" not in make({**spec, "dedupe": {"near": False}}).dataset.dropped
    assert any("too few to tell" in line for line in said.lines)
