"""Encodings are told by bytes; what is no text is named."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.system.errors import DataError
from seekloop.text.encoding import sniff

CHINESE = "我的银行卡丢了，请尽快帮我挂失，谢谢。\n"
TRADITIONAL = "您好，我的銀行卡不見了，請儘快幫我掛失，謝謝。\n"
FRENCH = "Où est ma carte préférée ? Déjà perdue à l’hôtel.\n"


def in_blocks(data: bytes, size: int = 7) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        (CHINESE, "utf-8", "utf-8"),
        (CHINESE, "utf-8-sig", "utf-8-sig"),
        (CHINESE, "utf-16", "utf-16"),
        ("id,text\n1,lost card\n" * 9, "utf-16-le", "utf-16-le"),
        (CHINESE, "gb18030", "gb18030"),
        ("text,label\n卡丢了,挂失\n", "gbk", "gb18030"),
        (TRADITIONAL, "big5", "big5"),
        (FRENCH.replace("’", "'"), "latin-1", "cp1252"),
        (FRENCH, "cp1252", "cp1252"),
        ("plain ascii\n", "ascii", "utf-8"),
    ],
)
def test_a_file_is_read_back_in_the_encoding_it_was_written_in(text, encoding, name):
    data = text.encode(encoding)
    found = sniff(in_blocks(data), where="f")
    assert (found.name, found.broken_line) == (name, None)
    assert data.decode(found.name) == text


@pytest.mark.parametrize(("text", "encoding"), [(CHINESE, "utf-8"), (CHINESE, "gb18030"), (CHINESE, "utf-16")])
def test_a_broken_byte_is_located_and_does_not_make_the_file_latin(text, encoding):
    good = (text * 20).encode(encoding)
    data = good[:-3] + b"\xff\xff\xff" if encoding != "utf-16" else good[:-1]
    found = sniff(in_blocks(data, 64), where="f")
    assert (found.name, found.broken_line) == (encoding, 20)


@pytest.mark.parametrize(
    ("data", "container"),
    [(b"PK\x03\x04rest", "zip or xlsx"), (b"%PDF-1.7", "pdf"), (b"PAR1....", "parquet"), (b"abc\0\1\2def", "binary")],
)
def test_what_is_no_text_is_refused_and_named(data, container):
    with pytest.raises(DataError) as caught:
        sniff([data], where="f")
    assert (caught.value.code, caught.value.facts["container"]) == ("text.binary", container)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80), st.integers(1, 9))
def test_utf8_is_always_recognised(text, size):
    data = text.encode()
    known = [magic for magic in (b"BZh", b"RIFF", b"fLaC", b"GGUF", b"PAR1", b"%PDF") if data.startswith(magic)]
    if not known and not data.startswith("\ufeff".encode()):
        assert sniff(in_blocks(data, size), where="f").name == "utf-8"


def test_gzip_is_not_the_business_of_sniffing():
    with pytest.raises(DataError, match="binary"):
        sniff([gzip.compress(b"x" * 400)], where="f")
