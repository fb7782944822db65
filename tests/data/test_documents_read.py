"""Documents into blocks: headings, paragraphs, lists and tables of every kind of file; what is no document is named."""

from __future__ import annotations

import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.media import DocumentsSpec
from seekloop.data.read.documents.blocks import Block
from seekloop.data.read.documents.docx import read_docx
from seekloop.data.read.documents.html import read_html
from seekloop.data.read.documents.lines import joined
from seekloop.data.read.documents.markdown import read_markdown, read_plain
from seekloop.data.read.documents.opener import read_document
from seekloop.data.read.documents.pdf import read_pdf
from seekloop.system.errors import DataError
from tests.data.paper import blank_pdf, bullets, docx, grid, heading, page_end, paragraph, pdf

OPENING = "客户办理开户业务时，应当出示有效身份证件，并由柜员核对其真实性；如资料不全，应当场一次性告知需要补充的材料。"
FEES = (
    "A transfer to another bank costs 0.5 percent of the amount, at least two yuan and at most fifty yuan. "
    "Customers with a premium account are not charged for the first three transfers of a month."
)
TABLE = [["Kind", "Fee", "最低"], ["Transfer", "0.5 %", "2 元"], ["Cash out", "1 %", "5 元"]]
MARKDOWN = "| Kind | Fee | 最低 |\n| --- | --- | --- |\n| Transfer | 0.5 % | 2 元 |\n| Cash out | 1 % | 5 元 |"

PAGE, LETTER = pdf(paragraph(FEES)), docx(lambda document: document.add_paragraph(FEES))
NAMED = {
    *("data.bad_pdf", "data.no_text_layer", "data.bad_docx", "data.document_locked", "data.empty_document"),
    *("data.not_a_document", "data.empty", "text.binary"),
}


def read(tmp_path, name: str, data: bytes):
    """The document of these bytes."""
    (tmp_path / name).write_bytes(data)
    return read_document(tmp_path / name, shown=name, spec=DocumentsSpec(path=name))


def kinds(document) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in document.blocks]


def test_a_pdf_gives_headings_paragraphs_lists_and_tables_with_pages(tmp_path):
    story = [heading("第一章 账户"), paragraph(OPENING * 2), grid(TABLE), page_end(), heading("Fees"), paragraph(FEES)]
    made = read(tmp_path, "a.pdf", pdf(*story, bullets("Bring your passport.", "Bring your card."), title="手册"))
    assert kinds(made) == [
        ("heading", "第一章 账户"),
        ("paragraph", OPENING * 2),
        ("table", MARKDOWN),
        ("heading", "Fees"),
        ("paragraph", FEES),
        ("item", "Bring your passport."),
        ("item", "Bring your card."),
    ]
    assert [block.page for block in made.blocks] == [1, 1, 1, 2, 2, 2, 2]
    assert (made.title, made.pages) == ("手册", 2)


def test_headers_footers_and_page_numbers_go_and_stay_where_asked(tmp_path):
    story = [part for n in range(3) for part in (heading(f"{n + 1}.1 Fees"), paragraph(FEES), page_end())]
    (tmp_path / "a.pdf").write_bytes(pdf(*story, header="Northbank - internal"))
    made = read_pdf(tmp_path / "a.pdf", shown="a")
    assert set(made.left_out) == {"Northbank - internal", "- 1 -"}
    assert [text for _, text in kinds(made)] == [part for n in range(3) for part in (f"{n + 1}.1 Fees", FEES)]
    kept = read_pdf(tmp_path / "a.pdf", shown="a", keep_repeated=True)
    assert sum("Northbank" in block.text for block in kept.blocks) == 3


def test_a_paragraph_goes_on_over_the_page(tmp_path):
    whole = "，".join(f"编号{number}的客户应当出示有效身份证件" for number in range(150)) + "。"
    made = read(tmp_path, "a.pdf", pdf(paragraph(whole), header="Northbank"))
    assert made.pages > 1
    assert kinds(made) == [("paragraph", whole)]


def test_a_line_that_pages_share_is_no_header_where_it_stands_in_the_text(tmp_path):
    whole = OPENING * 60  # of such a length that both pages begin with the same line
    made = read(tmp_path, "a.pdf", pdf(paragraph(whole), header="Northbank"))
    assert "".join(text for _, text in kinds(made)) == whole


def test_two_columns_are_read_one_after_the_other(tmp_path):
    words = "a customer may ask for a card at any branch and " * 9
    texts = [f"Part {n} says that {words}so on." for n in range(16)]
    made = read(tmp_path, "a.pdf", pdf(*map(paragraph, texts), columns=2))
    assert kinds(made) == [("paragraph", text) for text in texts]


def test_large_letters_rank_headings(tmp_path):
    story = [heading("Book", size=24), heading("Chapter", size=18), heading("Section", size=14), paragraph(FEES * 3)]
    made = read(tmp_path, "a.pdf", pdf(*story))
    assert [block.level for block in made.blocks] == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("scan.pdf", blank_pdf(3), "data.no_text_layer"),
        ("locked.pdf", pdf(paragraph(FEES), password="secret"), "data.document_locked"),
        ("torn.pdf", pdf(paragraph(FEES))[:200], "data.bad_pdf"),
        ("torn.docx", docx(lambda d: d.add_paragraph(FEES))[:3000], "data.bad_docx"),
        ("old.doc", b"\xd0\xcf\x11\xe0" + b"\0" * 100, "data.not_a_document"),
        ("empty.md", b"\n\n", "data.empty_document"),
        ("blank.html", b"<html><body><nav>menu</nav></body></html>", "data.empty_document"),
        ("broken.md", b"# Fees\n\nGr\xfc\xdfe \x81\xfe\xff " + "费率".encode() * 400, "data.broken_encoding"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, data, code):
    with pytest.raises(DataError) as caught:
        read(tmp_path, name, data)
    assert caught.value.code == code
    assert name in caught.value.sentence("en")


def test_a_docx_gives_what_its_styles_say(tmp_path):
    def write(document):
        document.core_properties.title = "Handbook"
        document.add_heading("账户", level=1)
        document.add_paragraph(OPENING)
        document.add_heading("Fees", level=2)
        document.add_paragraph("one", style="List Bullet")
        table = document.add_table(rows=0, cols=3)
        for row in TABLE:
            for cell, text in zip(table.add_row().cells, row, strict=True):
                cell.text = text
        document.add_page_break()
        document.add_paragraph(FEES)

    made = read(tmp_path, "a.docx", docx(write))
    assert made.title == "Handbook"
    assert kinds(made) == [
        ("heading", "账户"),
        ("paragraph", OPENING),
        ("heading", "Fees"),
        ("item", "one"),
        ("table", MARKDOWN),
        ("paragraph", FEES),
    ]
    assert [block.level for block in made.blocks] == [1, 0, 2, 0, 0, 0]
    assert [block.page for block in made.blocks] == [1, 1, 1, 1, 1, 2]


def word(tmp_path, body: str) -> list[tuple[str, str]]:
    """Blocks of a DOCX with this body."""
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{space}"><w:body>{body}</w:body></w:document>')
    return kinds(read_docx(tmp_path / "a.docx", shown="a.docx"))


def test_deleted_text_is_gone_and_inserted_text_is_there(tmp_path):
    deleted = "<w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
    inserted = "<w:ins><w:r><w:t>new</w:t></w:r></w:ins>"
    assert word(tmp_path, f"<w:p>{deleted}{inserted}</w:p>") == [("paragraph", "new")]


def test_a_docx_that_declares_entities_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("word/document.xml", '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>')
    with pytest.raises(DataError) as caught:
        read_docx(tmp_path / "a.docx", shown="a.docx")
    assert caught.value.code == "data.bad_docx"


def test_html_leaves_out_what_is_not_the_document():
    made = read_html(
        """<!doctype html><title>费率 表</title><style>p {}</style><nav>首页</nav><header>LOGO</header>
        <div><h1>第一章</h1><p>本手册适用于
        所有员工。<br>第二行<p>Second <b>bold</b> word<script>alert(1)</script>
        <ul><li>one<li>two<ul><li>inner</ul></ul><ul><li><a>a</a><li><a>b</a><li><a>c</a></ul>
        <table><tr><th>项目<th>费率<tr><td>转账<td>0.5%</table><pre>x = 1
          y</pre><p hidden>no<p style="display: none">no</div><footer>©</footer>"""
    )
    assert made.title == "费率 表"
    assert kinds(made) == [
        ("heading", "第一章"),
        ("paragraph", "本手册适用于所有员工。\n第二行"),
        ("paragraph", "Second bold word"),
        ("item", "one"),
        ("item", "two"),
        ("item", "inner"),
        ("table", "| 项目 | 费率 |\n| --- | --- |\n| 转账 | 0.5% |"),
        ("code", "```\nx = 1\n          y\n```"),
    ]


def test_of_a_page_with_a_main_part_only_that_is_the_document():
    made = read_html("<body><p>advert</p><main><header><h1>T</h1></header><p>body</p></main><p>more</p></body>")
    assert kinds(made) == [("heading", "T"), ("paragraph", "body")]


def test_markdown_gives_its_blocks():
    made = read_markdown(
        "---\ntitle: '手册'\n---\n# A\n\ntext [link](http://x) **bold**\nline two\n\n- one\n  - two\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n```py\nx\n```\n\n> said\n\n<div><p>html</p></div>\n\nSub\n---\n\n1. first\n"
    )
    assert made.title == "手册"
    assert kinds(made) == [
        ("heading", "A"),
        ("paragraph", "text link bold line two"),
        ("item", "one"),
        ("item", "two"),
        ("table", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ("code", "```py\nx\n```"),
        ("paragraph", "said"),
        ("paragraph", "html"),
        ("heading", "Sub"),
        ("item", "first"),
    ]


def test_plain_text_is_unwrapped_by_paragraph():
    text = "The first paragraph goes on over\nthe end of its line and ends here.\n\n"
    text += "第二段在行末\n折行。\n　　第三段缩进。\n"
    assert kinds(read_plain(text)) == [
        ("paragraph", "The first paragraph goes on over the end of its line and ends here."),
        ("paragraph", "第二段在行末折行。"),
        ("paragraph", "第三段缩进。"),
    ]


def test_text_in_gb18030_is_read(tmp_path):
    made = read(tmp_path, "a.md", "# 费率\n\n转账手续费为千分之五，最低两元。".encode("gb18030"))
    assert made.blocks[0] == Block(kind="heading", text="费率", level=1)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["a trans-", "fer of money"], "a transfer of money"),
        (["a well-", "known bank"], "a well-known bank"),
        (["from 2019-", "2020 on"], "from 2019-2020 on"),
        (["开户与", "销户"], "开户与销户"),
        (["使用 API", "接口"], "使用 API接口"),
        (["one", "", "two "], "one two"),
        (["soft\u00ad", "ware"], "software"),
    ],
)
def test_lines_are_joined_as_they_were_written(lines, text):
    words = frozenset({"well-known", "transfer"})
    assert re.sub(" +", " ", joined(lines, vocabulary=words)) == text


@given(st.sampled_from(["a.pdf", "a.docx"]), st.binary(min_size=1, max_size=40), st.floats(0, 1))
def test_a_damaged_file_is_read_or_named(tmp_path_factory, name, junk, share):
    data = PAGE if name == "a.pdf" else LETTER
    at = int(share * (len(data) - len(junk)))
    try:
        read(tmp_path_factory.mktemp("junk"), name, data[:at] + junk + data[at + len(junk) :])
    except DataError as error:
        assert error.code in NAMED
