"""JSON Lines, JSON, CSV, TSV and gzip of these: every record with its line, every fault with its file and line."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.read.files import inspect
from seekloop.data.read.records import container_of, records
from seekloop.system.errors import DataError

RECORD = {"text": "lost card", "intent": "card_lost"}
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=12)


def refusal(read, *args, **keys) -> DataError:
    with pytest.raises(DataError) as caught:
        read(*args, **keys)
    return caught.value


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("a.jsonl", json.dumps(RECORD) + "\n\n" + json.dumps(RECORD), [1, 3]),
        ("a.json", "[\n  " + json.dumps(RECORD) + ",\n\n" + json.dumps(RECORD, indent=2) + "\n]\n", [2, 4]),
        ("lines.json", json.dumps(RECORD) + "\n" + json.dumps(RECORD), [1, 2]),
        ("a.json", json.dumps({"version": 1, "data": [RECORD, RECORD]}, indent=1), [1, 2]),
        ("a.csv", 'text,intent\n"lost\ncard",card_lost\nlost card,card_lost\n', [2, 4]),
        ("a.csv", "text;intent\nlost card;card_lost\n\nlost card;card_lost\n", [2, 4]),
        ("a.tsv", "text\tintent\nlost, card\tcard_lost\nlost card\tcard_lost\n", [2, 3]),
        ("a.txt", "text,intent\nlost card,card_lost\nlost card,card_lost\n", [2, 3]),
    ],
)
def test_records_are_found_with_their_lines(write, read, name, content, lines):
    _, rows = read(write(name, content))
    assert [row.source.line for row in rows] == lines
    assert {row.label for row in rows} == {"card_lost"}


def test_gzip_is_unpacked_whatever_the_name(write, read):
    corpus, rows = read(write("a.csv.gz", gzip.compress(b"text,intent\nlost card,card_lost\n")))
    assert corpus.formats == ("csv.gz/labelled/utf-8",)
    assert rows[0].messages[0].content == "lost card"


@pytest.mark.parametrize(
    ("encoding", "name"), [("gb18030", "gb18030"), ("utf-16", "utf-16"), ("utf-8-sig", "utf-8-sig")]
)
def test_a_chinese_csv_is_read_in_any_encoding(write, read, encoding, name):
    corpus, rows = read(write("客服.csv", "问题,意图\n我的卡丢了怎么办,挂失\n余额多少钱,查询\n", encoding=encoding))
    assert corpus.formats == (f"csv/labelled/{name}",)
    assert [(row.messages[0].content, row.label) for row in rows] == [
        ("我的卡丢了怎么办", "挂失"),
        ("余额多少钱", "查询"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "code", "line"),
    [
        ("a.jsonl", '{"text": "a", "intent": "b"}\n{"text": "a", \n', "data.bad_json", 2),
        ("a.jsonl", '{"text": "a", "intent": NaN}\n', "data.bad_json", 1),
        ("a.jsonl", '["a", "b"]\n', "data.not_object", 1),
        ("a.jsonl", "[" * 100_000 + "\n", "data.bad_json", 1),
        ("a.jsonl", '{"text": "a", "intent": "b", "n": 1e999}\n', "data.bad_json", 1),
        ("a.json", '[\n{"text": "a", "intent": "b"},\n{"text": "a" "b"}\n]', "data.bad_json", 3),
        ("a.json", '[\n{"text": "a", "intent": "b"}\n', "data.bad_json", 2),
        ("a.json", '[{"text": "a", "intent": "b"}] tail', "data.bad_json", 1),
        ("a.csv", 'text,intent\na,b\n"open,b\nc,d\n', "data.bad_table", 3),
        ("a.csv", "text,intent\na,b\na,b,c\n", "data.bad_columns", 3),
        ("a.csv", "text,text\na,b\n", "data.column_twice", 1),
    ],
)
def test_a_broken_record_is_refused_with_its_line(write, read, name, content, code, line):
    error = refusal(read, write(name, content))
    assert (error.code, error.facts["where"]) == (code, f"{name}:{line}")


def test_broken_lines_can_be_kept_as_dropped_rows_instead(write, read):
    lines = [json.dumps(RECORD), '{"text": ', json.dumps({"text": {"no": "text"}, "intent": "x"}), json.dumps(RECORD)]
    corpus, rows = read(write("a.jsonl", "\n".join(lines)), bad_rows="drop")
    assert [row.dropped for row in rows] == [None, "bad_json", "not_text", None]
    assert corpus.rows == 4
    assert rows[1].meta["raw"] == '{"text":'


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", ""), ("a.csv", " \n\n"), ("a.csv", "text,intent\n"), ("a.json", "[]")]
)
def test_a_file_without_records_is_refused(write, read, name, content):
    assert refusal(read, write(name, content)).code == "data.empty"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.csv.gz", gzip.compress(b"text,intent\n" * 999, mtime=0)[:-20], "data.bad_gzip"),
        ("a.xlsx", b"PK\x03\x04rest", "data.damaged"),
        ("a.pdf", b"%PDF-1.7", "text.binary"),
        ("a.csv", "text,intent\n我的卡丢了,挂失\n".encode() * 20 + b"\xff\xfe,x\n", "data.broken_encoding"),
    ],
)
def test_damaged_bytes_are_refused(write, read, name, content, code):
    assert refusal(read, write(name, content)).code == code


def test_rows_with_damaged_bytes_can_be_dropped(write, read):
    content = (
        "text,intent\n我的卡丢了请帮我挂失谢谢,挂失\n".encode() * 1 + "余额多少,查询\n".encode() * 9 + b"bad \xff,x\n"
    )
    _, rows = read(write("a.csv", content), bad_rows="drop")
    assert [row.dropped for row in rows] == [None] * 10 + ["broken_encoding"]


def test_a_named_encoding_is_taken_and_an_unknown_one_refused(write, read):
    name = write("a.csv", "text,intent\nд,x\n", encoding="koi8-r")
    assert read(name, encoding="koi8-r")[1][0].messages[0].content == "д"
    assert refusal(read, name, encoding="klingon").code == "data.unknown_encoding"


def test_half_a_character_in_a_json_escape_does_not_stop_the_reading(write, read):
    _, rows = read(write("a.jsonl", '{"text": "oops \\ud83d", "intent": "x"}\n'))
    assert rows[0].messages[0].content == "oops \ufffd"


def test_a_missing_file_is_named(read):
    assert refusal(read, "nowhere.csv").facts["path"] == "nowhere.csv"


@given(st.lists(st.fixed_dictionaries({"text": CELLS, "intent": CELLS}), min_size=1, max_size=6))
def test_what_is_written_is_read_back(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("containers")
    lines = [json.dumps(value, ensure_ascii=number % 2 == 0) for number, value in enumerate(values)]
    texts = {"a.jsonl": "\n".join(lines), "a.json": json.dumps(values, indent=1)}
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8", newline="")
        file = inspect(folder / name, shown=name, encoding="utf-8")
        assert [record.value for record in records(file, container_of(file))] == values


def test_records_are_found_two_objects_deep(write, read):
    body = {"total": 2, "data": {"items": [{"text": "my card is gone", "intent": "lost"}] * 2}}
    _, rows = read(write("a.json", json.dumps(body)))
    assert [row.label for row in rows] == ["lost", "lost"]


def test_columns_in_traditional_characters_are_known(write, read):
    _, rows = read(write("a.csv", "訊息,標籤\n我的卡丟了,掛失\n", encoding="big5"))
    assert (rows[0].messages[0].content, rows[0].label) == ("我的卡丟了", "掛失")


def test_one_conversation_in_a_file_is_one_record(write, read):
    turns = [{"role": "user", "content": "my card is gone"}, {"role": "assistant", "content": "I have frozen it"}]
    for indent in (None, 2):
        _, rows = read(write("a.json", json.dumps({"messages": turns}, indent=indent)))
        assert [len(row.messages) for row in rows] == [2]
