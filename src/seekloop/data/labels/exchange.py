"""Annotation files read and written as a stream: Label Studio's JSON, Argilla's records, our own items."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal

from seekloop.data.labels import argilla, label_studio
from seekloop.data.labels.items import Item, item_of, to_json
from seekloop.data.labels.taxonomy import Taxonomy
from seekloop.system.errors import DataError
from seekloop.system.files import whole

__all__ = ["FORMATS", "Exchanged", "Format", "classed", "read_annotations", "write_annotations"]

Format = Literal["items", "label-studio", "argilla"]
FORMATS: tuple[Format, ...] = ("items", "label-studio", "argilla")
_block = 1 << 20


@dataclass
class Exchanged:
    """What went through, counted while it does."""

    format: Format | None = None
    items: int = 0
    judgements: int = 0
    guesses: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    """What the other form cannot hold, or ours cannot, by kind."""

    def count(self, item: Item) -> Item:
        """Count an item and hand it on."""
        self.items += 1
        self.judgements += len(item.judgements)
        self.guesses += len(item.guesses)
        return item


def write_annotations(
    path: Path, items: Iterable[Item], *, format: Format, multi: bool = False, levels: bool = False
) -> Exchanged:
    """Write items, whole or not at all; memory holds one.

    Args:
        path: `.json` for Label Studio's list of tasks, JSON Lines for the others.
        items: what to write.
        format: for which tool.
        multi: whether a row may have several labels.
        levels: whether labels are paths of a taxonomy.

    Returns:
        Counts, and what the form cannot hold.
    """
    done = Exchanged(format=format)

    def record(item: Item) -> Any:
        done.count(item)
        if format == "label-studio":
            return label_studio.to_task(item, levels=levels)
        if format == "argilla":
            value, lost = argilla.to_record(item, multi=multi)
            done.lost.update(lost)
            return value
        return to_json(item)

    listed = format == "label-studio"
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path, encoding="utf-8", buffering=_block) as file:
        file.write("[" if listed else "")
        for number, item in enumerate(items):
            text = json.dumps(record(item), ensure_ascii=False)
            file.write((",\n" if number else "\n") + text if listed else text + "\n")
        file.write("\n]\n" if listed else "")
    return done


def read_annotations(
    path: Path, *, shown: str | None = None, control: str | None = None, done: Exchanged | None = None
) -> Iterator[Item]:
    """The items of an annotation file of any of the forms, told by its keys.

    Args:
        path: a JSON list, or JSON Lines.
        shown: how to name it.
        control: which control or question to take, where there are several.
        done: filled with counts and with what could not be taken.

    Raises:
        DataError: not JSON, or a record of no known form; its place is named.
    """
    name = shown or str(path)
    told = done if done is not None else Exchanged()
    for where, value in _records(path, name):
        yield told.count(_item(value, control, told=told, where=where))


def classed(items: Iterable[Item], taxonomy: Taxonomy, *, unknown: Counter[str]) -> Iterator[Item]:
    """The items with the classes that their labels mean, so that `退款` and `refund` are one answer.

    Labels that mean no class stay as they are and are counted in `unknown`.
    """

    def classes(labels: tuple[str, ...]) -> tuple[str, ...]:
        unknown.update(label for label in labels if taxonomy.find(label) is None)
        return tuple(dict.fromkeys(taxonomy.find(label) or label for label in labels))

    for item in items:
        said = tuple(replace(one, labels=classes(one.labels)) for one in item.judgements)
        guessed = tuple(replace(one, labels=classes(one.labels)) for one in item.guesses)
        yield replace(item, judgements=said, guesses=guessed)


def _item(value: Any, control: str | None, *, told: Exchanged, where: str) -> Item:
    if not isinstance(value, Mapping):
        raise DataError("labels.bad_item", problem="it is no object", where=where)
    reader: Callable[[], tuple[Item, Counter[str]]]
    if argilla.is_record(value):
        told.format, reader = "argilla", lambda: argilla.from_record(value, question=control)
    elif label_studio.is_task(value):
        told.format, reader = "label-studio", lambda: label_studio.from_task(value, control=control)
    else:
        told.format, reader = "items", lambda: (item_of(value, where=where), Counter())
    try:
        item, left = reader()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"no {error.args[0]}" if isinstance(error, KeyError) else error
        raise DataError("labels.bad_item", problem=problem, where=where) from error
    told.lost.update(left)
    return item


def _records(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    """Place and value of each record."""
    with path.open(encoding="utf-8-sig") as file:
        start = file.read(64).lstrip()[:1]
        file.seek(0)
        if start == "[":
            for number, value in enumerate(_elements(file, name), start=1):
                yield f"{name}:{number}", value
            return
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    value = json.loads(line)
                except ValueError as error:
                    raise DataError("labels.bad_item", problem=error, where=f"{name}:{number}") from error
                yield f"{name}:{number}", value


def _elements(file: IO[str], name: str) -> Iterator[Any]:
    """The elements of a JSON list, one at a time; memory holds a block and an element."""
    decoder = json.JSONDecoder()
    text, place, count, ended = "", 0, 0, False
    while True:
        while place < len(text) and (text[place] in " \t\r\n," or (text[place] == "[" and count == 0)):
            if text[place] == "[":
                count = 1
            place += 1
        if place < len(text) and text[place] == "]":
            return
        try:
            value, end = decoder.raw_decode(text, place) if place < len(text) else (None, place)
            complete = end < len(text)
        except ValueError as error:
            if ended:
                raise DataError("labels.bad_item", problem=error, where=f"{name}:{count}") from error
            complete = False
        if complete:
            count, place = count + 1, end
            yield value
            continue
        more = file.read(max(_block, len(text) - place))
        if not more and ended:
            raise DataError("labels.bad_item", problem="the list breaks off", where=f"{name}:{count}")
        text, place, ended = text[place:] + more, 0, not more
