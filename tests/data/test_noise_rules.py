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
        ("Where is my card?", " ".join(f"word{n}" for n in range(2000)), "reply_too_long"),
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


def settled(rows: list[Row]) -> Relevance:
    relevance = Relevance(share=0.1)
    for one in rows:
        relevance.count(one)
    for one in rows:
        relevance.relate(one)
    relevance.settle()
    return relevance


def test_replies_to_other_questions_are_irrelevant():
    """Most replies name the ill that they are about; one in twenty stands under another question."""
    rows = [
        row(one.messages[0].content, f"{ILLS[n % 40][0] if n % 10 else ''}{one.messages[1].content}", name=one.id)
        for n, one in enumerate(corpus())
    ]
    chosen = range(3, 640, 16)
    swapped = {
        n: rows[n].model_copy(update={"messages": (rows[n].messages[0], rows[n + 7].messages[1])}) for n in chosen
    }
    rows = [swapped.get(n, one) for n, one in enumerate(rows)]
    relevance, spec = settled(rows), FilterSpec(rules=("irrelevant_reply",))
    found = {n for n, one in enumerate(rows) if noise(one, spec, relevance=relevance) == "irrelevant_reply"}
    right = len(found & set(swapped))
    assert right >= 6
    assert len(found) - right <= len(found) // 5


def test_a_corpus_that_does_not_tell_loses_no_reply():
    same = [
        row(f"怎么办呢请说说看{chr(0x8000 + n)}", f"多休息多喝水就好了{chr(0x7000 + n)}", name=f"row:{n}")
        for n in range(600)
    ]
    relevance = settled(same)
    assert [one.id for one in same if relevance.is_irrelevant(one)] == []


def test_few_rows_do_not_tell_what_is_relevant(write, make, said):
    rows = [{"question": f"{q.messages[0].content}", "answer": q.messages[1].content} for q in corpus()[:40]]
    spec = {"sources": [{"path": write("a.jsonl", rows)}], "filter": {"rules": ["irrelevant_reply"]}}
    assert "irrelevant_reply" not in make({**spec, "dedupe": {"near": False}}).dataset.dropped
    assert any("too few to tell" in line for line in said.lines)


@pytest.mark.parametrize(("text", "reply"), [("!!!", "see below"), ("", ""), ("where is it", "???")])
def test_a_row_without_words_is_counted_and_judged(text, reply):
    relevance = Relevance(share=0.1)
    relevance.count(row(text, reply))
    relevance.relate(row(text, reply))
    relevance.settle()
    assert not relevance.is_irrelevant(row(text, reply))


def test_a_model_drops_rows_of_another_language_of_the_same_script():
    kept, dropped = row("My parcel has not arrived yet", "ok"), row("Mein Paket ist noch nicht angekommen", "ok")
    spec = FilterSpec(languages=("en", "zh"), language_by="model")
    assert noise(kept, spec) is None
    assert noise(dropped, spec) == "other_language"
    assert noise(dropped, FilterSpec(languages=("en",))) is None
