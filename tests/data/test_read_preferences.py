"""Preferences, verdicts, triples and plain text: told by their keys, carried to the training set as they are."""

from __future__ import annotations

import json

import pytest

from seekloop.artifact.rows import read_rows
from seekloop.system.errors import DataError

USER, GOOD, BAD = "my card is gone", "I have frozen it", "Bad luck"
ASKED = [{"role": "user", "content": USER}]


def said(*contents: str) -> list[dict[str, str]]:
    return [{"role": "user" if n % 2 == 0 else "assistant", "content": text} for n, text in enumerate(contents)]


def turns(messages) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages]


PREFERENCES = [
    {"prompt": USER, "chosen": GOOD, "rejected": BAD},
    {"instruction": "my card", "input": "is gone", "chosen": GOOD, "rejected": BAD},
    {"prompt": ASKED, "chosen": said(USER, GOOD)[1:], "rejected": said(USER, BAD)[1:]},
    {"chosen": said(USER, GOOD), "rejected": said(USER, BAD)},
    {"prompt": USER, "chosen": said(USER, GOOD), "rejected": said(USER, BAD), "messages": said(USER, GOOD)},
    {"conversations": [{"from": "human", "value": USER}], "chosen": {"from": "gpt", "value": GOOD}, "rejected": BAD},
    {"messages": said(USER, GOOD), "rejected_response": BAD},
    {"chosen": f"\n\nHuman: {USER}\n\nAssistant: {GOOD}", "rejected": f"\n\nHuman: {USER}\n\nAssistant: {BAD}"},
    {"问题": USER, "优选回答": GOOD, "拒绝回答": BAD},
]


@pytest.mark.parametrize("record", PREFERENCES, ids=lambda record: "+".join(record))
def test_a_preference_is_a_question_with_two_answers(write, read, record):
    corpus, rows = read(write("a.jsonl", [record]))
    assert corpus.formats == ("jsonl/preference/utf-8",)
    asked, answer = turns(rows[0].messages)
    assert (asked[1].replace("\n", " "), answer) == (USER, ("assistant", GOOD))
    assert turns(rows[0].rejected) == [("assistant", BAD)]


VERDICTS = [
    {"prompt": USER, "completion": BAD, "label": False},
    {"messages": said(USER, BAD), "kto_tag": False},
    {"prompt": ASKED, "completion": said(USER, BAD)[1:], "label": False},
    {"prompt": USER, "completion": said(USER, BAD), "desirable": "false"},
]


@pytest.mark.parametrize("record", VERDICTS, ids=lambda record: "+".join(record))
def test_a_verdict_says_whether_an_answer_is_one_to_learn(write, read, record):
    corpus, rows = read(write("a.jsonl", [record]))
    assert corpus.formats == ("jsonl/kto/utf-8",)
    assert (turns(rows[0].messages), rows[0].desirable) == ([("user", USER), ("assistant", BAD)], False)
    assert rows[0].label is None


@pytest.mark.parametrize(
    "context", [USER, [USER], ["hello", "yes?", USER], ASKED, json.dumps(said("hello", "yes?", USER))], ids=str
)
def test_a_triple_keeps_the_followup_beside_the_conversation(write, read, context):
    record = {"context": context, "response": GOOD, "followup": "thanks", "intent": "card_lost"}
    corpus, rows = read(write("a.jsonl", [record]))
    assert corpus.formats == ("jsonl/triples/utf-8",)
    assert turns(rows[0].messages)[-2:] == [("user", USER), ("assistant", GOOD)]
    assert (rows[0].meta["followup"], rows[0].label) == ("thanks", "card_lost")


def test_text_alone_is_plain_text(write, read):
    corpus, rows = read(write("a.jsonl", [{"text": "The bank opens at nine."}]))
    assert corpus.formats == ("jsonl/text/utf-8",)
    assert (rows[0].plain, turns(rows[0].messages)) == (True, [("user", "The bank opens at nine.")])


def test_an_answer_that_is_missing_is_refused_with_its_line(write, read):
    with pytest.raises(DataError) as caught:
        read(write("a.jsonl", [PREFERENCES[0], {**PREFERENCES[0], "rejected": ""}]))
    assert (caught.value.code, caught.value.facts["where"]) == ("data.one_answer", "a.jsonl:2")


def test_a_verdict_that_is_none_is_refused_with_its_line(write, read):
    with pytest.raises(DataError) as caught:
        read(write("a.jsonl", [VERDICTS[3], {**VERDICTS[3], "desirable": "perhaps"}]))
    assert (caught.value.code, caught.value.facts["where"]) == ("data.not_bool", "a.jsonl:2")


def test_one_of_two_answers_can_be_learnt_as_the_right_one(write, read):
    corpus, rows = read(write("a.jsonl", [PREFERENCES[0]]), columns={"reply": "chosen"})
    assert (corpus.formats, rows[0].rejected) == (("jsonl/pairs/utf-8",), ())


QUESTIONS = ["where is my card", "what does a transfer cost", "how do I close the account", "is the branch open"]


def test_preferences_reach_the_training_set_masked_and_unchanged_otherwise(write, make):
    rows = [{"prompt": q, "chosen": f"good {q}", "rejected": f"write to me@bank.com, {q}"} for q in QUESTIONS]
    made = make({"sources": [{"path": write("a.jsonl", rows)}], "split": {"validation": 0, "test": 0}})
    assert [row.rejected[0].content for row in made.rows["train"]] == [f"write to [EMAIL], {q}" for q in QUESTIONS]


def test_a_preference_between_equals_is_dropped(write, make):
    rows = [{"prompt": q, "chosen": "yes", "rejected": "yes " if n == 0 else "no"} for n, q in enumerate(QUESTIONS)]
    made = make({"sources": [{"path": write("a.jsonl", rows)}], "split": {"validation": 0, "test": 0}})
    assert made.dataset.dropped == {"same_answers": 1}


def test_the_same_answer_with_two_verdicts_is_a_conflict(write, make):
    rows = [{"prompt": q, "completion": "yes", "label": True} for q in QUESTIONS]
    rows.append({**rows[0], "label": False})
    made = make({"sources": [{"path": write("a.jsonl", rows)}], "split": {"validation": 0, "test": 0}})
    assert made.dataset.dropped == {"label_conflict": 1}


def test_plain_text_stays_as_it_is_beside_a_system_message(write, make):
    rows = [{"text": f"{q}? Ask at the desk."} for q in QUESTIONS]
    spec = {"split": {"validation": 0, "test": 0}, "compose": {"system": "Be brief."}}
    made = make({"sources": [{"path": write("a.jsonl", rows)}], **spec})
    assert [(row.plain, len(row.messages)) for row in made.rows["train"]] == [(True, 1)] * len(QUESTIONS)


def test_the_demo_registry_of_llama_factory_is_understood_in_full(write, read, room, said):
    registry = {
        "dpo": {
            "file_name": "dpo.json",
            "ranking": True,
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
        },
        "kto": {
            "file_name": "kto.json",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "kto_tag": "label"},
            "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
        },
        "wiki": {"file_name": "wiki.txt", "columns": {"prompt": "text"}},
        "some": {"file_name": "parts", "folder": "zh", "num_samples": 2},
    }
    write("lf/dataset_info.json", json.dumps(registry))
    write("lf/dpo.json", json.dumps([PREFERENCES[5]]))
    write("lf/kto.json", json.dumps([{"messages": VERDICTS[1]["messages"], "label": True}]))
    write("lf/wiki.txt", "One article, with commas, in it.\n\nAnother one.\n")
    write("lf/parts/zh/a.json", json.dumps([{"instruction": str(n), "output": "x"} for n in range(5)]))
    corpus, rows = read("lf")
    assert corpus.formats == (
        "json/preference/utf-8",
        "json/kto/utf-8",
        "txt/text/utf-8",
        "json/alpaca/utf-8",
    )
    assert [bool(row.rejected) for row in rows] == [True, *[False] * 5]
    assert [(row.desirable, row.plain) for row in rows[1:4]] == [(True, False), (None, True), (None, True)]
    assert "lf/parts/zh/a.json: num_samples takes 2 of 5 records" in said.lines
    assert len(list(read_rows(room.store.path(corpus.id, "rows.jsonl")))) == 6
