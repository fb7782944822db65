"""Real PDF and DOCX files, small: made by reportlab and python-docx."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from docx import Document
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    ListFlowable,
    PageBreak,
    PageTemplate,
    Paragraph,
    Table,
)

__all__ = ["blank_pdf", "bullets", "docx", "grid", "heading", "page_end", "paragraph", "pdf"]

_margin = 72
_song = "STSong-Light"
"""A font of Adobe's Chinese pack, named and not embedded: as many Chinese PDFs have it."""


def _style(size: float) -> ParagraphStyle:
    pdfmetrics.registerFont(UnicodeCIDFont(_song))
    return ParagraphStyle("zh", fontName=_song, fontSize=size, leading=1.5 * size, wordWrap="CJK", spaceAfter=size)


def _latin(size: float) -> ParagraphStyle:
    return ParagraphStyle("en", fontName="Helvetica", fontSize=size, leading=1.3 * size, spaceAfter=size)


def paragraph(text: str, *, size: float = 10) -> Flowable:
    """A paragraph in the font that its letters need."""
    return Paragraph(text, _latin(size) if text.isascii() else _style(size))


def heading(text: str, *, size: float = 16) -> Flowable:
    """A paragraph in larger letters."""
    return paragraph(text, size=size)


def bullets(*texts: str) -> Flowable:
    """A list."""
    return ListFlowable([paragraph(text) for text in texts], bulletType="bullet")


def grid(rows: Sequence[Sequence[str]]) -> Flowable:
    """A table."""
    _style(10)
    return Table(rows, style=[("FONTNAME", (0, 0), (-1, -1), _song)])


def page_end() -> Flowable:
    """The next page begins."""
    return PageBreak()


def pdf(*story: Flowable, header: str = "", password: str = "", title: str = "", columns: int = 1) -> bytes:
    """A PDF of one column or of several; `header` stands on top of each page, its number at the bottom."""

    def edges(canvas: Canvas, doc: BaseDocTemplate) -> None:
        canvas.setFont("Helvetica", 8)
        if header:
            canvas.drawString(_margin, A4[1] - 40, header)
            canvas.drawCentredString(A4[0] / 2, 30, f"- {doc.page} -")

    out = io.BytesIO()
    locked = {"encrypt": StandardEncryption(password)} if password else {}
    file = BaseDocTemplate(out, pagesize=A4, title=title or None, **locked)
    width = (A4[0] - 2 * _margin) / columns
    frames = [Frame(_margin + n * width, _margin, width - 18, A4[1] - 2 * _margin) for n in range(columns)]
    file.addPageTemplates([PageTemplate(frames=frames, onPage=edges)])
    file.build(list(story))
    return out.getvalue()


def blank_pdf(pages: int) -> bytes:
    """Pages with a drawing and no text, as a scan has."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4)
    for _ in range(pages):
        canvas.rect(100, 100, 300, 500, fill=1)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def docx(write: Callable[[Document], None]) -> bytes:
    """A DOCX that `write` fills."""
    document = Document()
    write(document)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
