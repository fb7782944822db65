"""Chat logs become conversations, API logs the calls that were answered."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.read.bodies import Layout
from seekloop.data.read.chats import gather
from seekloop.data.read.stream import Record
from seekloop.system.errors import DataError

USER, BOT = "my card is gone", "I have frozen it"
LOG = """会话ID,发送者,时间,内容
S1,客服小王,2026/3/5 9:00,您好
S1,客户,2026/3/5 9:01,我的卡丢了
S2,客户,2026/3/5 9:01,手续费多少
S1,客户,2026/3/5 9:02,怎么办
S1,客服小王,2026/3/5 9:03,已为您挂失
S2,客服小李,2026/3/5 9:04,两元
S1,客户,2026/3/5 9:05,谢谢
"""


def turns(row) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in row.messages]


def test_a_chat_log_becomes_conversations(write, read):
    corpus, rows = read(write("chat.csv", LOG))
    assert corpus.formats == ("csv/chat/utf-8",)
    assert turns(rows[0]) == [("user", "我的卡丢了\n怎么办"), ("assistant", "已为您挂失")]
    assert turns(rows[1]) == [("user", "手续费多少"), ("assistant", "两元")]
    assert rows[0].meta == {"opening": "您好", "followup": "谢谢", "group": "S1"}
    assert [row.source.line for row in rows] == [2, 4]


def test_messages_are_put_in_order_by_their_times(write, read):
    said = [("u", 1_000_000_002_000, "two"), ("bot", "1000000003", "three"), ("u", "2001-09-09T01:46:41Z", "one")]
    records = [{"session_id": "S", "sender": who, "timestamp": at, "message": text} for who, at, text in said]
    _, rows = read(write("a.jsonl", records), speakers={"u": "user"})
    assert turns(rows[0]) == [("user", "one\ntwo"), ("assistant", "three")]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sender": "张三"}, "data.unknown_speaker"),
        ({"sender": "客服和客户"}, "data.unknown_speaker"),
        ({"session_id": ""}, "data.no_session"),
        ({"timestamp": "yesterday"}, "data.bad_time"),
        ({"timestamp": "2026-02-31 10:00"}, "data.bad_time"),
    ],
)
def test_a_message_that_has_no_place_is_refused_or_dropped_with_its_line(write, read, change, code):
    good = {"session_id": "S", "sender": "user", "timestamp": "2026-03-05 10:00", "message": USER}
    name = write("a.jsonl", [good, {**good, **change}])
    with pytest.raises(DataError) as caught:
        read(name)
    assert (caught.value.code, caught.value.facts["where"]) == (code, "a.jsonl:2")
    _, rows = read(name, bad_rows="drop")
    assert {row.dropped for row in rows} == {None, code.removeprefix("data.")}


def test_a_table_of_labelled_messages_may_name_their_authors(write, read):
    records = [{"utterance": USER, "intent": "lost", "author": "Ann", "ticket_id": n} for n in (1, 1)]
    assert read(write("a.jsonl", records))[0].formats == ("jsonl/labelled/utf-8",)
    records[1]["author"], records[0]["author"] = "agent 7", "customer"
    assert read(write("b.jsonl", records))[0].formats == ("jsonl/chat/utf-8",)


def test_names_of_people_can_be_told_apart(write, read):
    records = [{"session_id": 1, "sender": name, "message": text} for name, text in (("张三", USER), ("李四", BOT))]
    _, rows = read(write("a.jsonl", records), speakers={"张三": "user", "李四": "assistant"})
    assert turns(rows[0]) == [("user", USER), ("assistant", BOT)]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["user", "bot"]), st.integers(0, 9)), max_size=30))
def test_no_message_of_a_chat_log_is_lost(messages):
    layout = Layout(format="chat", parts={"group": "s", "speaker": "who", "text": "text", "time": "at"})
    values = [{"s": s, "who": who, "text": f"<{n}>", "at": at} for n, (s, who, at) in enumerate(messages)]
    found, _ = gather([Record(line=n, value=v) for n, v in enumerate(values, start=1)], layout, shown="x")
    text = json.dumps([[record.value, record.meta] for record in found])
    assert all(text.count(f"<{number}>") == 1 for number in range(len(messages)))


REQUEST = {"model": "m1", "user": "C7", "messages": [{"role": "user", "content": USER}]}
RESPONSE = {"model": "m1-0301", "choices": [{"index": 0, "message": {"content": BOT}, "finish_reason": "stop"}]}
CHUNKS = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "I have "}, "finish_reason": None}]},
    {"choices": [{"index": 1, "delta": {"content": "another choice"}}]},
    {"choices": [{"index": 0, "delta": {"content": "frozen it"}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"total_tokens": 9}},
]
EVENTS = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS) + "data: [DONE]\n\n"


@pytest.mark.parametrize(
    "record",
    [
        {"request": REQUEST, "response": RESPONSE},
        {"time": "…", "status": 200, "request_body": json.dumps(REQUEST), "response_body": json.dumps(RESPONSE)},
        {"request": {"method": "POST", "body": json.dumps(REQUEST)}, "response": {"status": 200, "body": RESPONSE}},
        {"request": REQUEST, "response": CHUNKS},
        {"request": json.dumps(REQUEST), "response": EVENTS},
        {"req": REQUEST, "resp": {"status_code": 200, "body": EVENTS}},
        {"请求": REQUEST, "响应": RESPONSE},
    ],
    ids=str,
)
def test_a_call_is_the_conversation_that_it_was(write, read, record):
    corpus, rows = read(write("api.jsonl", [record]))
    assert corpus.formats == ("jsonl/calls/utf-8",)
    assert turns(rows[0]) == [("user", USER), ("assistant", BOT)]
    assert (rows[0].dropped, rows[0].subject) == (None, "C7")


def test_a_streamed_tool_call_is_put_together(write, read):
    parts = [("freeze", '{"ca'), (None, 'rd": 1}')]
    deltas = [{"index": 0, "id": "c1", "function": {"name": name, "arguments": text}} for name, text in parts]
    chunks = [{"choices": [{"index": 0, "delta": {"tool_calls": [delta]}}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    tools = [{"type": "function", "function": {"name": "freeze"}}]
    _, rows = read(write("api.jsonl", [{"request": {**REQUEST, "tools": tools}, "response": chunks}]))
    assert rows[0].messages[1].tool_calls[0]["function"] == {"name": "freeze", "arguments": '{"card": 1}'}
    assert rows[0].tools == tuple(tools)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"error": {"message": "overloaded"}}, "failed_call"),
        ({"status": 503, "body": RESPONSE}, "failed_call"),
        ("<html>Bad gateway</html>", "failed_call"),
        (None, "failed_call"),
        ({"choices": [{"message": {"content": BOT}, "finish_reason": "length"}]}, "cut_answer"),
        (CHUNKS[:3], "cut_answer"),
    ],
)
def test_a_call_without_a_whole_answer_is_a_dropped_row(write, read, response, reason):
    good = {"request": REQUEST, "response": RESPONSE}
    corpus, rows = read(write("api.jsonl", [good, {"request": REQUEST, "response": response}]))
    assert (corpus.rows, [row.dropped for row in rows]) == (2, [None, reason])
