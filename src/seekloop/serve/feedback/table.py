"""Feedback in files that other systems write: CSV with a header, or JSON lines; and out again in the same forms."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from seekloop.artifact.ledger import Feedback
from seekloop.system.errors import DataError, UsageError
from seekloop.text.encoding import sniff

__all__ = ["FIELDS", "Line", "lines_of", "mapping_of", "write_feedback"]

Line = tuple[int, bytes | dict[str, Any] | DataError]
"""Number of a line, and what stands in it or why that cannot be read."""

FIELDS = (
    *("answer", "id", "score", "label", "correction", "comment", "completed", "resolved_by", "value", "unit"),
    *("signals", "user", "consent"),
)
"""Columns; `ratings.DIMENSION` beside them."""
_also_written = ("at", "caller")
_outcome = ("completed", "resolved_by", "value", "unit")
_numbers, _truths = ("score", "value"), ("completed", "consent")
_aliases: Mapping[str, str] = MappingProxyType(
    {
        "answer_id": "answer",
        "feedback_id": "id",
        "event_id": "id",
        "rating": "score",
        "intent": "label",
        "回答": "answer",
        "回答编号": "answer",
        "编号": "id",
        "评分": "score",
        "标签": "label",
        "意图": "label",
        "纠正": "correction",
        "正确答案": "correction",
        "备注": "comment",
        "是否完成": "completed",
        "完成": "completed",
        "解决方": "resolved_by",
        "价值": "value",
        "单位": "unit",
        "信号": "signals",
        "用户": "user",
        "同意": "consent",
    }
)
_words: Mapping[str, bool] = MappingProxyType(
    dict.fromkeys(("1", "true", "yes", "y", "是", "已完成"), True)
    | dict.fromkeys(("0", "false", "no", "n", "否", "未完成"), False)
)
_resolvers: Mapping[str, str] = MappingProxyType(
    {"模型": "model", "人工": "person", "human": "person", "agent": "person"}
)
_block = 1 << 20


def lines_of(path: Path, *, mapping: Mapping[str, str]) -> Iterator[Line]:
    """The lines of a file, blank ones left out.

    Args:
        path: .csv or .jsonl.
        mapping: column -> one of `FIELDS`, `ratings.DIMENSION`, or "" for one that is left aside; CSV only.

    Raises:
        UsageError: there is no such file, or its name tells no form.
        DataError: a column of the header is none of ours.
    """
    if not path.is_file():
        raise UsageError("feedback.no_file", path=path)
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return _json_lines(path)
        case ".csv":
            return _csv_lines(path, mapping=mapping)
        case _:
            raise UsageError("feedback.unknown_form", path=path)


def mapping_of(pairs: Iterable[str]) -> dict[str, str]:
    """`COLUMN=FIELD` texts.

    Raises:
        UsageError: one is not of that form, or names no field.
    """
    found: dict[str, str] = {}
    for text in pairs:
        column, equals, name = (part.strip() for part in text.partition("="))
        if not column or not equals or not (name == "" or _is_field(name)):
            raise UsageError("feedback.bad_map", text=text, known=", ".join(FIELDS))
        found[column] = name
    return found


def write_feedback(path: Path, feedback: Iterable[Feedback], *, out: IO[str]) -> int:
    """Write feedback in the form that the name of `path` tells, as `lines_of` reads it; returns how many.

    Raises:
        UsageError: the name tells no form.
    """
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return sum(1 for one in feedback if out.write(json.dumps(_body(one), ensure_ascii=False) + "\n"))
        case ".csv":
            rows = [_flat(_body(one)) for one in feedback]
            ratings = sorted({name for row in rows for name in row if name.startswith("ratings.")})
            sheet = csv.DictWriter(out, fieldnames=[*FIELDS, *ratings, *_also_written], lineterminator="\n")
            sheet.writeheader()
            sheet.writerows(rows)
            return len(rows)
        case _:
            raise UsageError("feedback.unknown_form", path=path)


def _json_lines(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if text.strip():
                yield number, text.rstrip(b"\r\n")


def _csv_lines(path: Path, *, mapping: Mapping[str, str]) -> Iterator[Line]:
    with path.open("rb") as raw:
        encoding = sniff(iter(lambda: raw.read(_block), b""), where=str(path)).name
    with path.open(encoding=encoding, newline="") as text:
        sheet = csv.reader(text)
        header = [name.strip().removeprefix("\ufeff") for name in next(sheet, [])]
        fields = [_field(name, mapping=mapping, where=f"{path}:1") for name in header]
        for cells in sheet:
            if any(cell.strip() for cell in cells):
                yield sheet.line_num, _read(fields, header=header, cells=cells, where=f"{path}:{sheet.line_num}")


def _field(column: str, *, mapping: Mapping[str, str], where: str) -> str:
    name = mapping.get(column, _aliases.get(column, column))
    if name in ("", *_also_written) or _is_field(name):
        return "" if name in _also_written else name
    raise DataError("feedback.unknown_column", column=column, known=", ".join(FIELDS), where=where)


def _is_field(name: str) -> bool:
    return name in FIELDS or re.fullmatch(r"ratings\..+", name) is not None


def _read(
    fields: Sequence[str], *, header: Sequence[str], cells: Sequence[str], where: str
) -> dict[str, Any] | DataError:
    """The fields of a line as JSON has them; an empty cell says nothing."""
    if len(cells) != len(fields):
        return DataError("feedback.bad_line", found=len(cells), wanted=len(fields), where=where)
    body: dict[str, Any] = {}
    for name, column, cell in zip(fields, header, cells, strict=True):
        if not name or not cell.strip():
            continue
        try:
            _put(body, name, cell=cell.strip())
        except (KeyError, ValueError):
            wanted = "a number" if name in _numbers or name.startswith("ratings.") else "yes or no"
            return DataError("feedback.bad_cell", value=cell.strip(), column=column, wanted=wanted, where=where)
    return body


def _put(body: dict[str, Any], name: str, *, cell: str) -> None:
    value: Any = cell
    if name in _numbers:
        value = float(cell)
    elif name in _truths:
        value = _words[cell.lower()]
    elif name == "resolved_by":
        value = _resolvers.get(cell.lower(), cell.lower())
    elif name == "signals":
        value = [one for one in re.split(r"[\s,;，；、|]+", cell.lower()) if one]
    if name.startswith("ratings."):
        body.setdefault("ratings", {})[name.removeprefix("ratings.")] = int(cell)
    elif name in _outcome:
        body.setdefault("outcome", {})[name] = value
    else:
        body[name] = value


def _body(one: Feedback) -> dict[str, Any]:
    """What was said, as `POST /v1/feedback` takes it, with who and when."""
    told = dataclasses.asdict(one) | {"ratings": dict(one.ratings), "signals": list(one.signals)}
    told["outcome"] = {name: value for name, value in (told["outcome"] or {}).items() if value is not None}
    return {name: value for name, value in told.items() if value not in (None, [], {})}


def _flat(body: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: value for name, value in body.items() if name not in ("outcome", "ratings", "signals")}
    row |= body.get("outcome", {})
    row |= {f"ratings.{name}": value for name, value in body.get("ratings", {}).items()}
    row["signals"] = ";".join(body.get("signals", ()))
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in row.items()}
