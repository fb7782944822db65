"""Parquet, XLSX, XML and zip: told by their bytes, streamed, every digit kept, no bomb opened."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import tracemalloc
import zipfile

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seekloop.data.read.files import inspect
from seekloop.data.read.parquet import parquet_rows
from seekloop.data.read.records import element, records
from seekloop.data.read.values import plain
from seekloop.data.read.workbook import open_sheet
from seekloop.system.errors import DataError

RECORDS = [{"text": "lost card", "intent": "card_lost"}, {"text": "wrong fee", "intent": "fee"}]
CELLS = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=8).filter(str.strip)


def texts(rows) -> list[tuple[str, str]]:
    return [(row.messages[0].content, row.label) for row in rows]


def workbook(*sheets: list[list], merges: tuple[str, ...] = (), formats: dict[str, str] | None = None) -> bytes:
    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet(f"S{number + 1}")
        for row in rows:
            sheet.append(row)
    for merge in merges:
        book.active.merge_cells(merge)
    for cell, form in (formats or {}).items():
        book.active[cell].number_format = form
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def parquet(values: list[dict]) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(values), buffer)
    return buffer.getvalue()


TABLE = [["text", "intent"], ["lost card", "card_lost"], ["wrong fee", "fee"]]
XML = """<tickets><ticket><text>lost card</text><intent>card_lost</intent></ticket>
<ticket text='wrong fee' intent='fee'/></tickets>"""
CHINESE_XML = """<?xml version='1.0' encoding='GB2312'?><a:工单集 xmlns:a='u'><a:头/>
<a:工单><问题 渠道='电话'>卡丢了</问题><意图>挂失</意图></a:工单>
<a:工单><问题>余额多少呢</问题><意图>查询</意图></a:工单></a:工单集>"""


@pytest.mark.parametrize(
    ("name", "content", "container"),
    [
        ("a.parquet", parquet(RECORDS), "parquet"),
        ("a.xlsx", workbook(TABLE), "xlsx"),
        ("a.xml", XML.encode(), "xml"),
        ("odd.bin", parquet(RECORDS), "parquet"),
    ],
)
def test_a_container_is_told_by_its_bytes(write, read, name, content, container):
    corpus, rows = read(write(name, content))
    assert corpus.formats[0].startswith(f"{container}/labelled")
    assert texts(rows) == [("lost card", "card_lost"), ("wrong fee", "fee")]


def test_parquet_keeps_conversations_and_writes_dates_as_text(write, read):
    turn = [{"role": "user", "content": "lost card"}, {"role": "assistant", "content": "frozen"}]
    _, rows = read(write("a.parquet", parquet([{"messages": turn, "at": dt.datetime(2026, 3, 5, 9)}])))
    assert [message.content for message in rows[0].messages] == ["lost card", "frozen"]


def test_values_of_databases_become_json():
    moment = dt.datetime(2026, 3, 5, 9, 30)
    value = {"a": moment, "b": moment.date(), "c": decimal.Decimal("1.10"), "d": b"x", "e": float("nan"), "f": (1,)}
    expected = {"a": "2026-03-05T09:30:00", "b": "2026-03-05", "c": "1.10", "d": "x", "e": None, "f": [1]}
    assert plain(value) == expected


def test_no_digit_of_a_telephone_or_identity_number_is_lost(write, read):
    rows = [["text", "intent", "customer"], ["a b", "x", "013812345678"], ["c d", "x", 13812345678], ["e f", "x", 42]]
    content = workbook(rows, formats={"C4": "000000"})
    _, found = read(write("a.xlsx", content))
    assert [row.subject for row in found] == ["013812345678", "13812345678", "000042"]


def test_a_number_that_has_lost_digits_is_refused_with_its_row(write, read):
    rows = [["text", "intent", "customer"], ["a b", "x", "C1"], ["c d", "x", 1.1010119900307123e17]]
    with pytest.raises(DataError) as caught:
        read(write("a.xlsx", workbook(rows)))
    assert (caught.value.code, caught.value.facts["where"]) == ("data.lost_digits", "a.xlsx:3")


def test_title_two_row_header_merged_cells_and_empty_rows_are_understood(write, read, said):
    rows = [
        ["三月工单", None, None, None],
        ["工单号", "客户", None, "意图"],
        [None, "姓名", "问题", None],
        ["T1", "张三", "我的卡丢了", "挂失"],
        [None, None, "我要补卡", "补卡"],
        [None, None, None, None],
        ["T2", "李四", "手续费", "费用"],
    ]
    content = workbook(rows, merges=("A1:D1", "A2:A3", "B2:C2", "D2:D3", "A4:A5", "B4:B5"))
    _, found = read(write("a.xlsx", content), columns={"text": "客户.问题", "subject": "客户.姓名"})
    assert texts(found) == [("我的卡丢了", "挂失"), ("我要补卡", "补卡"), ("手续费", "费用")]
    assert [(row.subject, row.meta["group"]) for row in found] == [("张三", "T1"), ("张三", "T1"), ("李四", "T2")]
    assert [row.source.line for row in found] == [4, 5, 7]


def test_a_sheet_is_chosen_by_name_and_the_others_are_said_aloud(write, read, said):
    name = write("a.xlsx", workbook([["text", "intent"], ["x y", "z"]], TABLE))
    assert texts(read(name, inside="S2")[1]) == texts(read(write("b.xlsx", workbook(TABLE)))[1])
    assert "a.xlsx: sheet S2; left out: Sheet" in said.lines
    with pytest.raises(DataError) as caught:
        read(name, inside="S9")
    assert (caught.value.code, caught.value.facts["known"]) == ("data.no_sheet", "Sheet, S2")


@hypothesis_settings(max_examples=15)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_what_is_written_into_a_workbook_is_read_back(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("book") / "a.xlsx"
    path.write_bytes(workbook([["text", "intent"], *([f"'{a}", f"'{b}"] for a, b in cells)]))
    found = [record.value for record in open_sheet(path, wanted=None, shown="a").records]
    assert found == [{"text": f"'{a}", "intent": f"'{b}"} for a, b in cells]


def test_xml_in_gb_with_namespaces_and_attributes_is_read(write, read, said):
    _, rows = read(write("a.xml", CHINESE_XML, encoding="gb18030"), columns={"subject": "问题.渠道"})
    assert (rows[0].label, rows[0].subject, rows[1].label) == ("挂失", "电话", "查询")
    assert "a.xml: each 工单集/工单 is a record" in said.lines


def test_a_conversation_in_xml_is_read(write, read):
    chat = "<c><turns><turn role='user'>lost card</turn><turn role='assistant'>frozen</turn></turns></c>"
    _, rows = read(write("a.xml", f"<all>{chat}{chat}</all>"), columns={"messages": "turns"}, format="messages")
    assert [message.content for message in rows[0].messages] == ["lost card", "frozen"]


BOMB = '<!DOCTYPE b [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><b><r>&b;</r><r/></b>'
FOREIGN = '<!DOCTYPE b [<!ENTITY x SYSTEM "file:///etc/passwd">]><b><r>&x;</r><r/></b>'


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (BOMB, "data.xml_doctype"),
        (FOREIGN, "data.xml_doctype"),
        ("<?xml version='1.0'?>" + "<a>" * 300, "data.bad_xml"),
        ("<all><r>a</r>\n<r>b</all>", "data.bad_xml"),
        ("<all><r>a</r><r>b</r>", "data.bad_xml"),
    ],
    ids=range(5),
)
def test_a_bomb_or_broken_xml_is_refused(write, read, content, code):
    with pytest.raises(DataError) as caught:
        read(write("a.xml", content), format="text", columns={"text": "text"})
    assert caught.value.code == code


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_the_files_of_an_archive_are_read_as_if_they_lay_there(write, read, said):
    files = {"三月/a.xlsx": workbook(TABLE), "b.csv": b"text,intent\nmy pin,pin\n", "logo.png": b"\x89PNG"}
    name = write("a.zip", zipped(files))
    corpus, rows = read(name)
    assert corpus.formats == ("csv/labelled/utf-8", "xlsx/labelled")
    assert {row.source.file for row in rows} == {"a.zip!b.csv", "a.zip!三月/a.xlsx"}
    assert "a.zip: left out: logo.png" in said.lines
    assert texts(read(name, inside="*.csv")[1]) == [("my pin", "pin")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.parquet", parquet(RECORDS)[:-9]),
        ("a.xlsx", workbook(TABLE)[:-30]),
        ("a.xlsx", zipped({"xl/workbook.xml": b"<no/>"})),
        ("a.zip", zipped({"a.csv": b"text,intent\n" * 99}).replace(b"\x00\x00\x00a.csv", b"\x00\x00\x00b.csv", 1)),
    ],
    ids=["parquet", "cut", "empty", "zip"],
)
def test_a_damaged_container_is_a_sentence(write, read, name, content):
    with pytest.raises(DataError) as caught:
        read(write(name, content))
    assert caught.value.code == "data.damaged"


def peak_mib(stream) -> tuple[int, float]:
    tracemalloc.start()
    count = sum(1 for _ in stream)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return count, peak


def test_parquet_of_60_000_rows_is_read_in_bounded_memory(tmp_path):
    path = tmp_path / "a.parquet"
    schema = pyarrow.schema([("text", pyarrow.string()), ("n", pyarrow.int64())])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, 60_000, 20_000):
            numbers = list(range(start, start + 20_000))
            writer.write_table(pyarrow.table({"text": [f"row {n}" for n in numbers], "n": numbers}, schema=schema))
    before = pyarrow.total_allocated_bytes()
    count, peak = peak_mib(parquet_rows(path, shown="a"))
    assert (count, peak < 6, pyarrow.total_allocated_bytes() <= before) == (60_000, True, True)


def test_xml_of_20_000_records_is_read_in_bounded_memory(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(f"<all>{'<r><t>some words</t></r>' * 20_000}</all>", "utf-8")
    file = inspect(path, shown="a")
    count, peak = peak_mib(records(file, "xml", inside=element(file)))
    assert (count, peak < 4) == (20_000, True)


def test_a_workbook_of_3_000_rows_is_read_in_bounded_memory(tmp_path):
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for number in range(3_000):
        sheet.append(["text", "intent"] if number == 0 else [number, 1])
    book.save(tmp_path / "a.xlsx")
    count, peak = peak_mib(open_sheet(tmp_path / "a.xlsx", wanted=None, shown="a").records)
    assert (count, peak < 4) == (2_999, True)
