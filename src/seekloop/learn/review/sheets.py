"""The queue as a file, out to a spreadsheet and back: CSV or JSON Lines, a line a case. Blind, like the page.

A file is read whole before anything is decided. A line without a decision is a gap, and counted; what cannot be taken
is refused with its line.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekloop.learn.review.desk import Desk, Shown
from seekloop.system.errors import DataError, LedgerError, SeekloopError
from seekloop.system.files import whole

__all__ = ["COLUMNS", "Taken", "read", "write"]

COLUMNS = ("answer", "message", "answered", "decision", "label", "correction", "reason")
_said = ("decision", "label", "correction", "reason")
_control = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_risky = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""


@dataclass(kw_only=True)
class Taken:
    """What came of a file."""

    lines: int = 0
    decided: int = 0
    gaps: int = 0
    """Lines without a decision."""
    again: int = 0
    """Lines that say what this person said before."""


def write(out: Path, desk: Desk) -> int:
    """Write what waits for a reviewer and what they decided, as CSV, or as JSON Lines for `.jsonl`; the lines written.

    Nobody else's words are in it. Answers whose text was erased are left out.

    Raises:
        ArtifactError: the disk is full.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".jsonl":
        with whole(out, encoding="utf-8") as file:
            count = 0
            for line in _lines(desk):
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
        return count
    with whole(out, encoding="utf-8-sig") as file:  # Excel takes a file without the mark for another encoding
        sheet = csv.DictWriter(file, COLUMNS, lineterminator="\r\n")
        sheet.writeheader()
        count = 0
        for line in _lines(desk):
            sheet.writerow({name: _harmless(text) for name, text in line.items()})
            count += 1
    return count


def read(path: Path, desk: Desk) -> Taken:
    """Decide what a file says, in its order.

    Raises:
        DataError: the file cannot be read, a column is missing, or a line cannot be taken; `file:line` is named, and
            nothing was decided.
        LedgerError: the ledger cannot be written; what was decided stands, and reading the file again goes on.
    """
    taken, checked = Taken(), []
    for where, line in _read(path):
        taken.lines += 1
        if not line["decision"]:
            taken.gaps += 1
            continue
        try:
            desk.check(line["answer"], **{name: line[name] for name in _said})
        except SeekloopError as error:
            raise DataError("review.bad_line", problem=error.sentence(), where=where) from error
        checked.append(line)
    for line in checked:
        if desk.decide(line["answer"], **{name: line[name] for name in _said}):
            taken.decided += 1
        else:
            taken.again += 1
    return taken


def _lines(desk: Desk) -> Iterator[dict[str, str]]:
    for answer in (*desk.waiting(), *desk.decided()):
        try:
            yield _line(desk.show(answer))
        except LedgerError as error:
            if error.code not in ("artifact.erased", "artifact.no_answer"):
                raise


def _line(shown: Shown) -> dict[str, str]:
    asked = shown.turns[0]["content"] if len(shown.turns) == 1 else "\n".join(map(_spoken, shown.turns))
    mine = shown.mine
    return {
        "answer": shown.answer,
        "message": asked,
        "answered": shown.content,
        "decision": "" if mine is None else mine.decision,
        "label": "" if mine is None else mine.label or "",
        "correction": shown.correction,
        "reason": "" if mine is None else mine.reason,
    }


def _spoken(turn: Mapping[str, str]) -> str:
    return f"{turn['role']}: {turn['content']}"


def _read(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Place and cells of each line."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("review.no_file", path=path, problem=error) from error
    found = _records(text, path.name) if text.lstrip().startswith("{") else _rows(text, path.name)
    for where, line in found:
        if not isinstance(line.get("answer"), str) or not line["answer"]:
            raise DataError("review.bad_line", problem="no answer", where=where)
        yield where, {name: _plain(line.get(name)) for name in COLUMNS}


def _rows(text: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    dialect = max((",", ";", "\t"), key=text.partition("\n")[0].count)
    sheet = csv.DictReader(io.StringIO(text, newline=""), delimiter=dialect, strict=True)
    try:
        missing = [column for column in ("answer", "decision") if column not in (sheet.fieldnames or ())]
        if missing:
            raise DataError("review.bad_line", problem=f"no column {missing[0]}", where=f"{name}:1")
        line = 2
        for row in sheet:
            where, line = f"{name}:{line}", sheet.line_num + 1
            yield where, row
    except csv.Error as error:
        raise DataError("review.bad_line", problem=error, where=f"{name}:{sheet.line_num}") from error


def _records(text: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, part in enumerate(text.split("\n"), start=1):
        if not part.strip():
            continue
        try:
            value = json.loads(part)
        except ValueError as error:
            raise DataError("review.bad_line", problem=error, where=f"{name}:{number}") from error
        if not isinstance(value, dict):
            raise DataError("review.bad_line", problem="no JSON object", where=f"{name}:{number}")
        yield f"{name}:{number}", value


def _plain(value: object) -> str:
    """A cell as text, without the mark that kept a spreadsheet from running it."""
    text = "" if value is None else str(value).strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(_risky) else text


def _harmless(text: str) -> str:
    visible = _control.sub("\ufffd", text)
    return f"'{visible}" if visible.startswith(_risky) else visible
