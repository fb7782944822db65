"""Documents as a source: every chunk a row of plain text with its page, heading and place, one group a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from seekloop.data.media import DocumentsSpec
from seekloop.data.read.documents.blocks import Document
from seekloop.data.read.documents.chunks import Chunk, chunks
from seekloop.data.read.documents.docx import read_docx
from seekloop.data.read.documents.html import read_html
from seekloop.data.read.documents.markdown import read_markdown, read_plain
from seekloop.data.read.documents.pdf import read_pdf
from seekloop.data.read.files import inspect, open_text
from seekloop.data.read.found import files_of
from seekloop.data.read.stream import Desk, Record, Stream
from seekloop.data.sources import ColumnsSpec, SourceSpec
from seekloop.system import digests
from seekloop.system.errors import DataError

__all__ = ["kind_of", "open_documents", "read_document"]

_kinds = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
}
_magics = {b"%PDF": "pdf", b"PK\x03\x04": "docx", b"\xd0\xcf\x11\xe0": "doc", b"{\\rtf": "rtf"}
_peek = 1024


def open_documents(source: SourceSpec, desk: Desk) -> Iterator[Stream]:
    """The chunks of a document, or of all documents of a folder.

    Raises:
        DataError: nothing is there, or (unless broken rows are dropped) a document that cannot be read.
        MissingPackage: the package that reads such a document is not installed.
    """
    assert source.documents is not None  # the table of readers goes by this key
    spec = source.documents
    found = files_of(spec.path, suffixes=_kinds, desk=desk)
    columns = ColumnsSpec(text="text", group="group")
    yield Stream(
        shown=spec.shown,
        container="documents",
        records=_records(found, source, desk=desk),
        source=source.model_copy(update={"columns": columns, "format": "text"}),
    )


def _records(found: list[tuple[Path, str]], source: SourceSpec, *, desk: Desk) -> Iterator[Record]:
    assert source.documents is not None  # as above
    spec = source.documents
    counted: Counter[str] = Counter()
    for path, shown in found:
        try:
            document = read_document(path, shown=shown, spec=spec, encoding=source.encoding)
        except DataError as error:
            yield Record(line=1, problem=error, raw=shown, file=shown)
            continue
        counted[kind_of(path)] += 1
        if document.left_out:
            desk.say(f"{shown}: left out, on most pages: {' | '.join(document.left_out)}")
        if document.empty_pages:
            desk.say(f"{shown}: no text on page {', '.join(map(str, document.empty_pages))} (pictures are not read)")
        group = digests.of_file(path)
        for chunk in chunks(document, spec.chunk):
            yield _record(chunk, document.title or path.stem, shown=shown, group=group)
    desk.say(
        f"{spec.shown}: {', '.join(f'{count} {kind}' for kind, count in sorted(counted.items())) or 'nothing'} read"
    )


def _record(chunk: Chunk, title: str, *, shown: str, group: str) -> Record:
    meta = {
        "title": title,
        "chunk": chunk.number,
        "start": chunk.start,
        "end": chunk.end,
        **({"heading": list(chunk.heading)} if chunk.heading else {}),
        **({"page": chunk.page} if chunk.page is not None else {}),
    }
    return Record(line=chunk.number, value={"text": chunk.text, "group": group}, meta=meta, file=shown)


def read_document(path: Path, *, shown: str, spec: DocumentsSpec, encoding: str | None = None) -> Document:
    """The document in a file, of the kind that its first bytes tell, else its extension.

    Args:
        path: the file.
        shown: how to name it.
        spec: how to read it.
        encoding: of a text file; None: told by its bytes.

    Raises:
        DataError: it is of no kind that is read here, damaged, locked, without text, or breaks its encoding.
        MissingPackage: the package that reads it is not installed.
    """
    kind = kind_of(path)
    if kind == "pdf":
        document = read_pdf(path, shown=shown, keep_repeated=spec.repeated == "keep")
    elif kind == "docx":
        document = read_docx(path, shown=shown)
    elif kind in ("html", "markdown", "text"):
        readers = {"html": read_html, "markdown": read_markdown, "text": read_plain}
        document = readers[kind](_text(path, shown=shown, encoding=encoding))
    else:
        raise DataError("data.not_a_document", kind=kind or "of no known kind", where=shown)
    blocks = tuple(block for block in document.blocks if block.text.strip())
    if not blocks:
        raise DataError("data.empty_document", where=shown)
    return replace(document, blocks=blocks)


def kind_of(path: Path) -> str:
    """`pdf`, `docx`, `html`, `markdown`, `text`; `doc`, `rtf` or nothing for what is not read here."""
    with path.open("rb") as file:
        head = file.read(_peek)
    told = next((kind for magic, kind in _magics.items() if head.startswith(magic)), None)
    if told is None and head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        told = "html"
    return told or _kinds.get(path.suffix.lower(), "")


def _text(path: Path, *, shown: str, encoding: str | None) -> str:
    file = inspect(path, shown=shown, encoding=encoding)
    if file.encoding.broken_line is not None:
        where = f"{shown}:{file.encoding.broken_line}"
        raise DataError("data.broken_encoding", encoding=file.encoding.name, where=where)
    with open_text(file) as stream:
        return stream.read().replace("\r\n", "\n").replace("\r", "\n")
