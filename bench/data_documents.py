"""A printed handbook read back: how many of its paragraphs come out whole, and how fast, beside markitdown."""

from __future__ import annotations

import json
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Table

from bench.harness import Peer, Record, wilson
from bench.peers import peer_python
from seekloop.data.read.documents.pdf import read_pdf

__all__ = ["measures"]

SEED, SECTIONS, RUNS = 7, 60, 3
VERSION = "0.1.8"
_convert = """
import json, sys, time
from markitdown import MarkItDown
reader, best = MarkItDown(), float("inf")
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    text = reader.convert(sys.argv[1]).text_content
    best = min(best, time.perf_counter() - start)
print(json.dumps([text, best]))
"""
_words = {
    "en": ["account", "branch", "card", "clerk", "customer", "day", "fee", "form", "limit", "office", "paper", "rate"],
    "zh": ["客户", "柜员", "银行卡", "手续费", "限额", "网点", "证件", "转账", "账户", "挂失", "利率", "申请"],
}


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Figures of a handbook that is printed here: nothing of `data` is needed."""
    del data
    return [handbook]


def handbook() -> Sequence[Record]:
    """Whole paragraphs and pages a second of a bilingual PDF with headers, page numbers, headings and tables."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "handbook.pdf"
        written = _print(path)
        best = float("inf")
        for _ in range(RUNS):
            start = time.perf_counter()
            document = read_pdf(path, shown=path.name)
            best = min(best, time.perf_counter() - start)
        python = peer_python("markitdown", [f"markitdown[pdf]=={VERSION}"])
        command = [str(python), "-c", _convert, str(path), str(RUNS)]
        text, peer_best = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    pages = document.pages or 1
    ours = _found(written, [block.text for block in document.blocks])
    theirs = _found(written, re.split(r"\n\s*\n", text))
    facts = f"{pages} pages, zh and en, printed by reportlab"
    return [
        Record(
            name="pdf_paragraphs_whole",
            value=ours / len(written),
            unit="share",
            better="higher",
            n=len(written),
            ci=wilson(ours, len(written)),
            peer=Peer(name="markitdown", version=VERSION, value=theirs / len(written)),
            data=facts,
            seed=SEED,
            threads=1,
        ),
        Record(
            name="pdf_pages_per_s",
            value=pages / best,
            unit="pages/s",
            better="higher",
            n=pages,
            peer=Peer(name="markitdown", version=VERSION, value=pages / peer_best),
            data=facts,
            seed=SEED,
            threads=1,
        ),
    ]


def _found(written: Sequence[str], blocks: Sequence[str]) -> int:
    """How many of the paragraphs are a block, spaces aside."""
    there = {"".join(block.split()) for block in blocks}
    return sum("".join(one.split()) in there for one in written)


def _print(path: Path) -> list[str]:
    """Write the handbook; its paragraphs in order."""
    chance = random.Random(SEED)
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    zh = ParagraphStyle("zh", fontName="STSong-Light", fontSize=10, leading=15, spaceAfter=8, wordWrap="CJK")
    en = ParagraphStyle("en", fontName="Helvetica", fontSize=10, leading=13, spaceAfter=8)
    story: list[Flowable] = []
    written: list[str] = []
    for number in range(1, SECTIONS + 1):
        language = ("zh", "en")[number % 2]
        title = f"{number} Fees" if language == "en" else f"{number} 收费"
        style = en if language == "en" else zh
        story.append(Paragraph(title, ParagraphStyle("h", parent=style, fontSize=15, leading=22)))
        for _ in range(3):
            written.append(_paragraph(language, chance))
            story.append(Paragraph(written[-1], style))
        story.append(Table([["Kind", "Fee"], ["Transfer", f"{number} %"], ["Cash", "free"]]))
    SimpleDocTemplate(str(path), pagesize=A4).build(story, onFirstPage=_edges, onLaterPages=_edges)
    return written


def _edges(canvas: Canvas, document: SimpleDocTemplate) -> None:
    canvas.setFont("Helvetica", 8)
    canvas.drawString(72, A4[1] - 40, "Northbank handbook 2026")
    canvas.drawCentredString(A4[0] / 2, 30, f"- {document.page} -")


def _paragraph(language: str, chance: random.Random) -> str:
    sentences = []
    for _ in range(chance.randint(2, 6)):
        words = chance.choices(_words[language], k=chance.randint(6, 14))
        sentences.append("".join(words) + "。" if language == "zh" else " ".join(words).capitalize() + ".")
    return ("" if language == "zh" else " ").join(sentences)
