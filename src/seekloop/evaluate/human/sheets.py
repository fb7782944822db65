"""Ratings as files: CSV sheets for a spreadsheet, records for Argilla. Blind, like the page.

A file is read whole before anything is kept. What it lacks is counted; a number out of range, an item or a rater that
there is not, and two lines that contradict each other are refused with their line.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seekloop.artifact.rows import Message
from seekloop.evaluate.human import argilla
from seekloop.evaluate.human.book import Rating, is_whole
from seekloop.evaluate.human.desk import rating_of, sides
from seekloop.evaluate.human.spec import Dimension
from seekloop.evaluate.human.study import Study
from seekloop.evaluate.human.tasks import SHARED, Task, in_order, is_swapped
from seekloop.system.clock import Clock
from seekloop.system.errors import DataError, UsageError
from seekloop.system.files import whole
from seekloop.text import encoding

__all__ = ["FORMATS", "Taken", "argilla_settings", "lines", "read", "write"]

FORMATS = ("csv", "argilla")
_block = 1 << 20
_longest = 64 << 20
_telling = 9
"""Bytes beyond ASCII, from which on a line that is UTF-8 is so by no accident."""
_control = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_risky = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""


@dataclass(kw_only=True)
class Taken:
    """What came of a file."""

    lines: int = 0
    ratings: int = 0
    gaps: int = 0
    """Lines that say nothing."""
    partial: int = 0
    """Ratings that lack a dimension."""
    duplicates: int = 0
    """Lines that say again what another one said."""
    replaced: int = 0
    """Ratings that the study had otherwise."""
    encoding: str = "utf-8"
    seen: dict[tuple[str, str], tuple[Rating, str]] = field(default_factory=dict, repr=False)

    def described(self) -> str:
        """For people."""
        lost = f"{self.gaps} gaps, {self.partial} partial, {self.duplicates} duplicates, {self.replaced} replaced"
        return f"{self.lines} lines ({self.encoding}), {self.ratings} ratings taken; {lost}"


def write(out: Path, study: Study, *, format: str, raters: Sequence[str]) -> int:
    """Write the sheets of some raters, in each one's own order and sides, or the records of all; the lines written.

    Raises:
        ArtifactError: the disk is full.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    if format == "argilla":
        return _write_records(out, study, raters=raters)
    names = [one.name for one in study.spec.dimensions]
    columns = ["rater", "item", "kind", "question", "answer_1", "answer_2", *names, "choice", "skipped", "comment"]
    count = 0
    with whole(out, encoding="utf-8-sig") as file:  # Excel takes a file without the mark for another encoding
        sheet = csv.DictWriter(file, columns, lineterminator="\r\n")
        sheet.writeheader()
        for rater in raters:
            said = study.book.of(rater)
            for task in in_order(study.tasks, rater=rater, seed=study.spec.seed):
                swapped = is_swapped(task, rater=rater, seed=study.spec.seed)
                sheet.writerow(_line(task, said.get(task.id), rater=rater, swapped=swapped))
                count += 1
    return count


def read(path: Path, study: Study, *, clock: Clock) -> Taken:
    """Put the ratings of a file into the study's book, all or none.

    Args:
        path: a CSV sheet or JSON Lines of Argilla's records, told by its first character.
        study: whose items and raters they are of.
        clock: tells when ratings without a time were taken.

    Raises:
        DataError: not the study's sheet, broken text, an unknown item or rater, a number out of range, or two lines
            that contradict each other; `file:line` is named.
    """
    taken = Taken()
    known = {task.id: task for task in study.tasks}
    for where, given, shared in lines(path, taken=taken, dimensions=study.spec.dimensions):
        taken.lines += 1
        rater, task = _whose(given, study, known=known, where=where)
        said = _said(given, study)
        if not said:
            taken.gaps += 1
            continue
        swapped = is_swapped(task, rater=SHARED if shared else rater, seed=study.spec.seed)
        try:
            rating = rating_of(said, task, study=study, rater=rater, swapped=swapped)
        except UsageError as error:
            raise DataError("human.bad_line", problem=error.facts["problem"], where=where) from error
        _add(taken, rating, where=where)
    _keep(taken, study, known=known, at=clock.now().isoformat(timespec="seconds"))
    return taken


def lines(
    path: Path, *, taken: Taken, dimensions: Sequence[Dimension]
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Place and cells of each line of a sheet, or of each response of a record; and whether all saw the same sides.

    Raises:
        DataError, UsageError: as for `read`.
    """
    if not path.is_file():
        raise UsageError("human.no_file", path=path)
    text = _text(path, taken)
    if text.lstrip()[:1] in ("{", "["):
        yield from _records(text, dimensions, name=str(path))
    else:
        yield from _rows(text, name=str(path))


def argilla_settings(study: Study) -> dict[str, Any]:
    """The fields and questions of Argilla's dataset for this study."""
    return argilla.settings(study.spec.dimensions, study.spec.ask)


def _keep(taken: Taken, study: Study, *, known: Mapping[str, Task], at: str) -> None:
    before = {(one.rater, one.task): one for one in study.book.all()}
    fresh: list[Rating] = []
    for key, (rating, _) in taken.seen.items():
        taken.partial += not is_whole(rating, known[rating.task], dimensions=study.spec.dimensions)
        old = before.get(key)
        if old is not None and replace(rating, at=old.at, seconds=old.seconds) == old:
            taken.duplicates += 1
            continue
        taken.replaced += old is not None
        fresh.append(replace(rating, at=at))
    study.book.put(*fresh)
    taken.ratings = len(fresh)


def _add(taken: Taken, rating: Rating, *, where: str) -> None:
    key = (rating.rater, rating.task)
    if key not in taken.seen:
        taken.seen[key] = (rating, where)
        return
    before, first = taken.seen[key]
    if before != rating:
        raise DataError("human.contradiction", rater=rating.rater, item=rating.task, first=first, where=where)
    taken.duplicates += 1


def _whose(given: Mapping[str, Any], study: Study, *, known: Mapping[str, Task], where: str) -> tuple[str, Task]:
    rater, item = str(given.get("rater") or "").strip(), str(given.get("item") or "").strip()
    if rater not in study.spec.raters:
        raise DataError("human.unknown_rater", rater=rater, known=", ".join(study.spec.raters), where=where)
    if item not in known:
        raise DataError("human.unknown_item", item=item, name=study.spec.name, where=where)
    return rater, known[item]


def _said(given: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """What a line says, in the page's form; empty where it says nothing."""
    values = {one.name: _number(given.get(one.name)) for one in study.spec.dimensions if _filled(given.get(one.name))}
    said: dict[str, Any] = {"values": values} if values else {}
    if _filled(given.get("choice")):
        said["choice"] = str(given["choice"]).strip().lower()
    if _filled(given.get("skipped")):
        said["skipped"] = str(given["skipped"]).strip().lower() in ("1", "true", "yes", "x", "是")
    comment = str(given.get("comment") or "").strip()
    if comment:
        said["comment"] = comment[1:] if comment[:1] == "'" and comment[1:2] in _risky else comment
    return said if said.get("skipped", True) or len(said) > 1 else {}


def _filled(cell: Any) -> bool:
    return cell is not None and str(cell).strip() != ""


def _number(cell: Any) -> Any:
    """The whole number of a cell, spreadsheets' `4.0` included; what is none stays as it is, to be named."""
    text = str(cell).strip()
    if isinstance(cell, bool):
        return text
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else text


def _text(path: Path, taken: Taken) -> str:
    """The file's text in the encoding that it is written in."""
    if path.stat().st_size > _longest:
        raise DataError("human.too_long", mib=_longest >> 20, where=path)
    with path.open("rb") as file:
        found = encoding.sniff(iter(lambda: file.read(_block), b""), where=path)
    broken = found.broken_line or (None if found.name.startswith("utf") else _foreign_line(path))
    if broken is not None:
        name = found.name if found.broken_line else "utf-8"
        raise DataError("human.mixed_encoding", encoding=name, where=f"{path}:{broken}")
    taken.encoding = found.name
    return path.read_text(found.name)


def _foreign_line(path: Path) -> int | None:
    """The first line that is no UTF-8 of a file in which others, beyond ASCII, are: it was pasted from two sources."""
    foreign, whole = None, False
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode()
                whole = whole or len(line) - sum(character.isascii() for character in text) >= _telling
            except UnicodeDecodeError:
                foreign = foreign or number
    return foreign if whole else None


def _rows(text: str, *, name: str) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Place and cells of each line of a sheet; blank lines aside."""
    dialect = max((",", ";", "\t"), key=text.partition("\n")[0].count)
    sheet = csv.DictReader(io.StringIO(text, newline=""), delimiter=dialect, strict=True)
    try:
        columns = [column.strip().lower() for column in sheet.fieldnames or ()]
        missing = [column for column in ("rater", "item") if column not in columns]
        if missing:
            raise DataError("human.no_column", column=missing[0], known=", ".join(columns) or "-", where=f"{name}:1")
        sheet.fieldnames = columns
        line = 2
        for row in sheet:
            where, line = f"{name}:{line}", sheet.line_num + 1
            if None in row:
                raise DataError("human.bad_line", problem="more cells than columns", where=where)
            yield where, row, False
    except csv.Error as error:
        raise DataError("human.bad_line", problem=error, where=f"{name}:{sheet.line_num}") from error


def _records(text: str, dimensions: Sequence[Dimension], *, name: str) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Place and values of each response of Argilla's records."""
    for where, value in _values(text, name):
        try:
            found = list(argilla.lines_of(value, dimensions))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"no {error.args[0]}" if isinstance(error, KeyError) else error
            raise DataError("human.bad_line", problem=problem, where=where) from error
        for one in found:
            yield where, one, True


def _values(text: str, name: str) -> Iterator[tuple[str, Any]]:
    """Place and value of each record of a JSON list or of JSON Lines."""
    listed = text.lstrip().startswith("[")
    for number, part in enumerate([text] if listed else text.split("\n"), start=1):
        try:
            value = json.loads(part) if part.strip() else None
        except json.JSONDecodeError as error:
            raise DataError("human.bad_line", problem=error.msg, where=f"{name}:{number + error.lineno - 1}") from error
        if listed:
            yield from ((f"{name}:{place}", one) for place, one in enumerate(value or [], start=1))
        elif value is not None:
            yield f"{name}:{number}", value


def _line(task: Task, said: Rating | None, *, rater: str, swapped: bool) -> dict[str, Any]:
    shown = (*reversed(task.answers),) if swapped else task.answers
    back: dict[str | None, str] = {winner: choice for choice, winner in sides(swapped).items()}
    cells = {
        "rater": rater,
        "item": task.id,
        "kind": task.kind,
        "question": _harmless(_asked(task.turns)),
        **{f"answer_{number}": _harmless(text) for number, text in enumerate(shown, start=1)},
    }
    if said is None:
        return cells
    ticked = "x" if said.skipped else ""
    choice = back.get(said.winner, "") if said.winner else ""
    return {**cells, **said.values, "choice": choice, "skipped": ticked, "comment": _harmless(said.comment)}


def _write_records(out: Path, study: Study, *, raters: Iterable[str]) -> int:
    said = [rating for rater in raters for rating in study.book.of(rater).values()]
    with whole(out, encoding="utf-8") as file:
        for task in study.tasks:
            swapped = is_swapped(task, rater=SHARED, seed=study.spec.seed)
            given = [one for one in said if one.task == task.id]
            record = argilla.record(task, given, swapped=swapped, asked=_asked(task.turns))
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return len(study.tasks)


def _asked(turns: Sequence[Message]) -> str:
    """What a rater reads: the message, or the turns one a line behind their speakers."""
    if len(turns) == 1:
        return turns[0].content
    return "\n".join(f"{turn.role}: {turn.content}" for turn in turns)


def _harmless(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula, without the control characters of an untrained model.

    They stand as U+FFFD: a sheet that holds a NUL is no text to any program that opens it.
    """
    visible = _control.sub("\ufffd", text)
    return f"'{visible}" if visible.startswith(_risky) else visible
