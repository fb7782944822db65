"""Layouts are told by their keys, said aloud, and turned into messages."""

from __future__ import annotations

import json

import pytest

from seekloop.system.errors import DataError

USER, BOT = "my card is gone", "I have frozen it"


def turns(row) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in row.messages]


@pytest.mark.parametrize(
    ("record", "format"),
    [
        ({"instruction": "my card", "input": "is gone", "output": BOT}, "alpaca"),
        ({"prompt": USER, "completion": BOT}, "pairs"),
        ({"question": USER, "std_answer": BOT}, "pairs"),
        ({"utterance": USER, "intent": "card_lost", "category": "CARD"}, "labelled"),
        ({"Text": USER, "Label": "card_lost", "Reply": BOT}, "labelled"),
        ({"客户消息": USER, "意图": "挂失", "客服回复": BOT}, "labelled"),
        ({"conversations": [{"from": "human", "value": USER}, {"from": "gpt", "value": BOT}]}, "sharegpt"),
        ({"messages": [{"role": "user", "content": USER}, {"role": "assistant", "content": BOT}]}, "messages"),
    ],
)
def test_the_layout_is_told_by_its_keys_and_said_aloud(write, read, said, record, format):
    corpus, rows = read(write("a.jsonl", [record]))
    assert corpus.formats == (f"jsonl/{format}/utf-8",)
    assert f"a.jsonl: jsonl, {format} (" in said.lines[0]
    assert rows[0].messages[0].content.replace("\n", " ") == USER
    assert rows[0].messages[-1].content in (BOT, USER)


def test_history_and_system_become_turns(write, read):
    record = {"instruction": "and now?", "output": "wait", "history": [["lost it", "frozen"]], "system": "Be brief."}
    _, rows = read(write("a.json", json.dumps([record])))
    expected = [
        ("system", "Be brief."),
        ("user", "lost it"),
        ("assistant", "frozen"),
        ("user", "and now?"),
        ("assistant", "wait"),
    ]
    assert turns(rows[0]) == expected


def test_tool_calls_of_sharegpt_become_openai_ones(write, read):
    call = {"name": "freeze", "arguments": {"card": "debit"}}
    said = [("human", USER), ("function_call", json.dumps(call)), ("observation", '{"ok": true}'), ("gpt", BOT)]
    record = {"conversations": [{"from": who, "value": what} for who, what in said], "tools": '[{"name": "freeze"}]'}
    _, rows = read(write("a.jsonl", [record]))
    assert [role for role, _ in turns(rows[0])] == ["user", "assistant", "tool", "assistant"]
    assert rows[0].messages[1].tool_calls[0]["function"] == {"name": "freeze", "arguments": '{"card": "debit"}'}
    assert rows[0].tools == ({"name": "freeze"},)


def test_reasoning_and_untrained_turns_are_kept_apart(write, read):
    said = [
        {"role": "user", "content": [{"type": "text", "text": USER}]},
        {"role": "assistant", "content": "<think>\nwhich card?\n</think>\n\nWhich one?", "weight": 0},
        {"role": "user", "content": "debit"},
        {"role": "assistant", "content": BOT, "reasoning_content": "easy"},
    ]
    _, rows = read(write("a.jsonl", [{"messages": said}]))
    first, second = rows[0].messages[1], rows[0].messages[3]
    assert (first.content, first.reasoning, first.train) == ("Which one?", "which card?", False)
    assert (second.content, second.reasoning, second.train) == (BOT, "easy", None)


def test_mapped_columns_come_before_known_names(write, read):
    record = {"text": "ignored", "body": USER, "queue": "card_lost", "who": "C7"}
    _, rows = read(write("a.jsonl", [record]), columns={"text": "body", "label": "queue", "subject": "who"})
    assert (turns(rows[0])[0][1], rows[0].label, rows[0].subject) == (USER, "card_lost", "C7")


@pytest.mark.parametrize(
    ("record", "columns", "code", "facts"),
    [
        (
            {"mesage": USER, "intent": "x"},
            {},
            "data.missing_part",
            {"part": "text", "likely": "mesage", "found": "mesage, intent"},
        ),
        ({"text": USER, "answr": BOT}, {}, "data.no_target", {"text": "text", "found": "text, answr"}),
        (
            {"text": USER, "intent": "x"},
            {"label": "intnet"},
            "data.no_column",
            {"suggestion": "; did you mean intent?"},
        ),
    ],
)
def test_a_missing_column_is_refused_with_those_found_and_the_likely_one(write, read, record, columns, code, facts):
    with pytest.raises(DataError) as caught:
        read(write("a.jsonl", [record]), columns=columns)
    assert caught.value.code == code
    assert facts.items() <= caught.value.facts.items()
    assert "a.jsonl" in str(caught.value)


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"messages": [{"role": "alien", "content": "hi"}]}, "data.unknown_role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "data.not_text"),
        ({"messages": "hello"}, "data.no_turns"),
        ({"conversations": [{"from": "function_call", "value": "not json"}]}, "data.bad_tool_call"),
        ({"text": "a", "reply": "b", "tools": "{"}, "data.bad_tools"),
        ({"instruction": "a", "output": "b", "history": [["alone"]]}, "data.bad_history"),
        ({"text": "a", "intent": "b", "split": "holdout"}, "data.unknown_split"),
    ],
)
def test_a_value_that_its_part_cannot_hold_is_refused_with_its_line(write, read, record, code):
    good = {"messages": [{"role": "user", "content": "a"}], "conversations": [{"from": "human", "value": "a"}]}
    first = {key: good.get(key, value) for key, value in record.items() if key not in ("tools", "history", "split")}
    with pytest.raises(DataError) as caught:
        read(write("a.jsonl", [first, record]), format="messages" if "messages" in record else None)
    assert (caught.value.code, caught.value.facts["where"]) == (code, "a.jsonl:2")


def test_an_equal_record_is_another_row_with_an_id_of_its_own(write, read):
    record = {"text": USER, "intent": "card_lost"}
    _, rows = read(write("a.jsonl", [record, record, {**record, "text": "x y"}, record]))
    assert [row.id for row in rows] == [rows[0].id, f"{rows[0].id}-2", rows[2].id, f"{rows[0].id}-3"]


def test_a_row_id_depends_on_what_was_read_not_on_where(write, read):
    record = {"text": USER, "intent": "card_lost"}
    assert read(write("a.jsonl", [record]))[1][0].id == read(write("b/c.json", json.dumps([record])))[1][0].id


REGISTRY = {
    "tickets": {"file_name": "tickets.json", "columns": {"prompt": "ask", "query": "more", "response": "say"}},
    "chats": {
        "file_name": "chats.json",
        "formatting": "sharegpt",
        "columns": {"messages": "log"},
        "tags": {"role_tag": "who", "content_tag": "what", "user_tag": "caller", "assistant_tag": "desk"},
    },
    "pictures": {"file_name": "pairs.json", "columns": {"images": "images"}},
    "far": {"hf_hub_url": "someone/something"},
    "gone": {"file_name": "gone.json"},
}


@pytest.fixture
def folder(write) -> str:
    write("lf/dataset_info.json", json.dumps(REGISTRY))
    write("lf/tickets.json", json.dumps([{"ask": "my card", "more": "is gone", "say": BOT}]))
    write("lf/chats.json", json.dumps([{"log": [{"who": "caller", "what": USER}, {"who": "desk", "what": BOT}]}]))
    write("lf/pairs.json", json.dumps([{"a": 1}]))
    return "lf"


def test_a_llama_factory_folder_is_read_by_its_registry(read, said, folder):
    corpus, rows = read(folder)
    assert [turns(row) for row in rows] == [
        [("user", "my card\nis gone"), ("assistant", BOT)],
        [("user", USER), ("assistant", BOT)],
    ]
    assert corpus.formats == ("json/alpaca/utf-8", "json/sharegpt/utf-8")
    left_out = [line for line in said.lines if "left out" in line]
    assert left_out == [
        "lf: left out, pictures, video or sound: pictures",
        "lf: left out, on a hub: far",
        "lf: left out, file not in the folder: gone",
    ]


@pytest.mark.parametrize(
    ("datasets", "code"), [(["ticket"], "data.unknown_dataset"), (["tickets", "gone"], "data.unreadable_dataset")]
)
def test_a_named_data_set_must_be_there(read, folder, datasets, code):
    with pytest.raises(DataError) as caught:
        read(folder, datasets=datasets)
    assert caught.value.code == code


def test_a_folder_without_a_registry_is_refused(write, read):
    write("plain/a.jsonl", [{"text": "a", "intent": "b"}])
    with pytest.raises(DataError) as caught:
        read("plain")
    assert caught.value.code == "data.folder"
