"""A dataset as a LLaMA-Factory folder, so that nobody has to stay: `dataset_info.json` and JSON Lines files."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TextIO

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Message, Row, read_rows
from seekloop.artifact.store import Store
from seekloop.data.triples import write_triples
from seekloop.data.turning import as_openai, as_sharegpt, as_tagged, json_line, spoken
from seekloop.system.errors import DataError, UsageError

__all__ = ["FORMS", "Form", "Rows", "Turn", "export", "write_llama_factory"]

Form = Literal["llama-factory", "triples"]
Rows = Callable[[], Iterable[Row]]
Turn = Callable[[Message], dict[str, Any]]
FORMS: tuple[Form, ...] = ("llama-factory", "triples")
"""What a dataset can be written as."""
_splits = ("train", "validation", "test")
_openai_tags = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function_call",
    "system_tag": "system",
}
_conversation = {"messages": "messages", "tools": "tools"}
_pair = {"chosen": "chosen", "rejected": "rejected"}
# ShareGPT's form with these tags is known to every version; a turn that speaks and calls tools only to `openai`.
_tagged: Mapping[str, Any] = MappingProxyType({"formatting": "sharegpt", "tags": _openai_tags})
_entries: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "text": {"columns": {"prompt": "text"}},
        "alpaca": {
            "columns": {
                "prompt": "instruction",
                "query": "input",
                "response": "output",
                "system": "system",
                "history": "history",
            }
        },
        "sharegpt": {
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "system": "system", "tools": "tools"},
        },
        "messages": {**_tagged, "columns": _conversation},
        "preference": {**_tagged, "columns": {**_conversation, **_pair}, "ranking": True},
        "kto": {**_tagged, "columns": {**_conversation, "kto_tag": "label"}},
    }
)
"""Kind of file -> its entry in `dataset_info.json`, less the file's name."""


def export(dataset: Dataset, folder: Path, *, store: Store, form: Form = "llama-factory") -> dict[str, int]:
    """Write a dataset into a new folder, whole or not at all; returns the records of each file.

    Args:
        dataset: what to write; dropped rows stay here.
        folder: made; its name is the name of the data sets.
        store: where the dataset is.
        form: `llama-factory`, or `triples`: context, response and followup of each answer, a file a split.

    Raises:
        UsageError: the folder is there already.
        ArtifactError: the dataset's files are not in the store.
    """
    if folder.exists():
        raise UsageError("data.export_exists", path=folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        paths = {split: store.path(dataset.id, f"{split}.jsonl") for split in _splits if dataset.splits.get(split)}
        if form == "triples":
            counts = {f"{s}.jsonl": write_triples(part / f"{s}.jsonl", read_rows(path)) for s, path in paths.items()}
        else:
            counts = write_llama_factory(part, {s: _again(path) for s, path in paths.items()}, name=folder.name)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return counts


def write_llama_factory(folder: Path, splits: Mapping[str, Rows], *, name: str) -> dict[str, int]:
    """Write rows as data sets `NAME_SPLIT`, or `NAME_SPLIT_KIND` where a split has rows of several kinds.

    Rows of ordinary conversations are written as alpaca where all of a split can be, else as ShareGPT, else in OpenAI's
    form, which holds everything. Preferences, KTO rows and plain text have files of their own.

    Args:
        folder: an existing folder.
        splits: split -> a function that gives its rows, called three times: memory holds one row.
        name: begins the names of the data sets.

    Returns:
        Records by file.

    Raises:
        DataError: a preference whose answers have several turns.
    """
    registry: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for split, rows in splits.items():
        common, kinds = _survey(rows())
        beyond = {_kind(row) or common for row in rows() if not _is_sharegpt(row)}
        with contextlib.ExitStack() as stack:
            files: dict[str, TextIO] = {}
            for kind in kinds:
                whole = f"{name}_{split}" if len(kinds) == 1 else f"{name}_{split}_{kind}"
                registry[whole] = {"file_name": f"{whole}.jsonl", **_entries[kind]}
                if kind in beyond and "tags" in registry[whole]:
                    registry[whole]["formatting"] = "openai"
                files[kind] = stack.enter_context((folder / f"{whole}.jsonl").open("w", encoding="utf-8"))
                counts[f"{whole}.jsonl"] = 0
            for row in rows():
                kind = _kind(row) or common
                files[kind].write(json_line(_writers[kind](row, as_openai if kind in beyond else as_tagged)))
                counts[Path(files[kind].name).name] += 1
    text = json.dumps(registry, ensure_ascii=False, indent=2) + "\n"
    (folder / "dataset_info.json").write_text(text, "utf-8")
    return counts


def _again(path: Path) -> Callable[[], Iterator[Row]]:
    return lambda: read_rows(path)


def _survey(rows: Iterable[Row]) -> tuple[str, list[str]]:
    """The form that all ordinary rows fit into, and the kinds of file that the rows need, sorted."""
    common, kinds = 0, set()
    order = ("alpaca", "sharegpt", "messages")
    for row in rows:
        kind = _kind(row)
        if kind is None:
            common = max(common, 0 if _is_alpaca(row) else 1 if _is_sharegpt(row) else 2)
        kinds.add(kind or "common")
    return order[common], sorted({order[common] if kind == "common" else kind for kind in kinds})


def _kind(row: Row) -> str | None:
    """The kind of a row that has a file of its own; None: an ordinary conversation."""
    if row.plain:
        return "text"
    if row.rejected:
        return "preference"
    return "kto" if row.desirable is not None else None


def _parted(row: Row) -> tuple[str, list[Message]]:
    """The system message and the other turns."""
    first = row.messages[0] if row.messages and row.messages[0].role == "system" else None
    return (first.content, list(row.messages[1:])) if first is not None else ("", list(row.messages))


def _is_alpaca(row: Row) -> bool:
    """Whether the row is questions and answers by turns, and nothing else."""
    _, turns = _parted(row)
    roles = [message.role for message in turns]
    plain = not row.tools and all(not message.tool_calls and message.train is None for message in turns)
    said = all(message.content.strip() for message in turns)
    return plain and said and len(turns) > 0 and roles == ["user", "assistant"] * (len(turns) // 2)


def _is_sharegpt(row: Row) -> bool:
    """Whether ShareGPT's form has a place for every turn of the row."""
    _, turns = _parted(row)
    turns += row.rejected
    return all(as_sharegpt(message) is not None and message.role != "system" for message in turns)


def _alpaca(row: Row, _turn: Turn) -> dict[str, Any]:
    system, turns = _parted(row)
    pairs = [[spoken(question), spoken(answer)] for question, answer in zip(turns[::2], turns[1::2], strict=True)]
    record = {"instruction": pairs[-1][0], "input": "", "output": pairs[-1][1], "system": system, "history": pairs[:-1]}
    return {**record, "intent": row.label} if row.label is not None else record


def _sharegpt(row: Row, _turn: Turn) -> dict[str, Any]:
    system, turns = _parted(row)
    said = [as_sharegpt(message) for message in turns]
    return {"conversations": said, "system": system, "tools": _tools(row)}


def _tools(row: Row) -> str:
    """Tool schemas as LLaMA-Factory wants them: a JSON text, empty where there are none."""
    return json.dumps(list(row.tools), ensure_ascii=False) if row.tools else ""


def _messages(row: Row, turn: Turn) -> dict[str, Any]:
    return {"messages": [turn(message) for message in row.messages], "tools": _tools(row)}


def _preference(row: Row, turn: Turn) -> dict[str, Any]:
    """Question and two answers of a turn each: what both answers share before they part belongs to the question.

    Raises:
        DataError: an answer has more turns than one, for which LLaMA-Factory has no form.
    """
    users = [place for place, message in enumerate(row.messages) if message.role == "user"]
    begins = users[-1] + 1 if users else 0
    chosen, rejected = row.messages[begins:], row.rejected
    most = min(len(chosen), len(rejected)) - 1
    shared = next((n for n in range(most) if chosen[n] != rejected[n]), most)
    if len(chosen) != shared + 1 or len(rejected) != shared + 1:
        raise DataError("data.export_turns", row=row.id, where=f"{row.source.file}:{row.source.line}")
    asked = [turn(message) for message in row.messages[: begins + shared]]
    return {"messages": asked, "chosen": turn(chosen[-1]), "rejected": turn(rejected[-1]), "tools": _tools(row)}


def _kto(row: Row, turn: Turn) -> dict[str, Any]:
    return {**_messages(row, turn), "label": row.desirable}


def _text(row: Row, _turn: Turn) -> dict[str, Any]:
    return {"text": "\n".join(message.content for message in row.messages)}


_writers: Mapping[str, Callable[[Row, Turn], dict[str, Any]]] = MappingProxyType(
    {
        "text": _text,
        "alpaca": _alpaca,
        "sharegpt": _sharegpt,
        "messages": _messages,
        "preference": _preference,
        "kto": _kto,
    }
)
