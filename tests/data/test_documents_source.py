"""Documents as a source of rows: a folder is read whole, every chunk names its file, a document stays in one split."""

from __future__ import annotations

import pytest

from seekloop.system.errors import DataError
from tests.data.paper import blank_pdf, docx, heading, page_end, paragraph, pdf

WORDS = ["transfer", "account", "card", "fee", "branch", "customer", "limit", "day", "bank", "paper", "sum", "clerk"]


def prose(seed: int, count: int = 4) -> str:
    """Sentences that differ from each other."""
    picked = ([WORDS[(seed * 7 + n * step + n * n) % 12] for step in (1, 5, 7, 11)] for n in range(count))
    return " ".join(f"The {a} of {b} {seed} has a {c} for every {d}." for a, b, c, d in picked)


@pytest.fixture
def folder(write):
    """A folder of one document of each kind, and one file of another kind."""
    write("docs/a.pdf", pdf(heading("Fees"), paragraph(prose(1)), page_end(), paragraph(prose(2)), title="Book"))
    write("docs/more/b.docx", docx(lambda d: d.add_paragraph(prose(3))))
    write("docs/c.html", f"<title>Page</title><p>{prose(4)}</p>")
    write("docs/d.md", f"# Guide\n\n{prose(5)}")
    write("docs/e.txt", prose(6))
    write("docs/picture.png", b"\x89PNG")
    return "docs"


def test_every_document_of_a_folder_becomes_rows_of_plain_text(folder, read_source, said):
    rows = read_source(documents={"path": folder, "chunk": {"size": 400}})
    assert {row.source.file for row in rows} == {
        *("docs/a.pdf", "docs/c.html", "docs/d.md", "docs/e.txt", "docs/more/b.docx"),
    }
    assert all(row.plain and len(row.messages) == 1 for row in rows)
    first = rows[0]
    assert first.messages[0].content.startswith("# Fees\n\nThe ")
    wanted = {"title": "Book", "page": 1, "heading": ["Fees"], "chunk": 1, "start": 0}
    assert {name: first.meta[name] for name in wanted} == wanted
    assert "docs: left out, of another kind: 1 .png" in said.lines
    assert "docs: 1 docx, 1 html, 1 markdown, 1 pdf, 1 text read" in said.lines


def test_a_document_stays_in_one_split(folder, make):
    made = make({"sources": [{"documents": {"path": folder, "chunk": {"size": 200}}}], "split": {"test": 0.4}})
    place = {}
    for name in ("train", "validation", "test"):
        for row in made.rows[name]:
            assert place.setdefault(row.source.file, name) == name
    assert len(set(place.values())) > 1


def test_a_scan_stops_the_reading_or_is_a_dropped_row(folder, write, read_source):
    write("docs/scan.pdf", blank_pdf(2))
    with pytest.raises(DataError) as caught:
        read_source(documents={"path": folder})
    assert caught.value.sentence("en").startswith("docs/scan.pdf: this PDF of 2 pages has no text to read")
    rows = read_source(documents={"path": folder}, bad_rows="drop")
    assert [(row.source.file, row.dropped) for row in rows if row.dropped] == [("docs/scan.pdf", "no_text_layer")]


def test_the_same_file_twice_is_a_duplicate(folder, write, make, tmp_path):
    (tmp_path / "docs/z.md").write_bytes((tmp_path / "docs/d.md").read_bytes())
    made = make({"sources": [{"documents": {"path": folder}}]})
    assert made.dataset.dropped == {"duplicate_exact": 1}


def test_one_file_is_read_whatever_its_name_says(write, read_source):
    write("handbook", pdf(paragraph(prose(1))))
    (row,) = read_source(documents={"path": "handbook"})
    assert row.messages[0].content == prose(1)
