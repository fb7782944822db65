"""Training rows with planted ones: facts and labels that one row alone teaches, among rows that look like them.

Names are made up, so no base model knows the answers. Each planted row has neighbours that a search by words takes for
it: two other facts about the same name, and the same answer given for another name. Questions are asked in other words
than the row's own.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seekloop.artifact.rows import Message, Row, Source, row_id

__all__ = ["Case", "Planting", "planted"]

FILE = "planted.jsonl"
_starts, _ends = (
    ("Kel", "Bran", "Tor", "Mir", "Sal", "Ved", "Quo", "Hes", "Dar", "Lum"),
    ("vora", "dell", "mint", "stead", "quay", "thorpe"),
)
_starts_zh, _ends_zh = "云青岚铭泽朔", "川桥岭屿"


@dataclass(frozen=True)
class _Kind:
    """What may be known about a name: how it is taught, how it is asked, and what it may be."""

    taught: str
    said: str
    asked: str
    values: tuple[str, ...]


_kinds = (
    _Kind(
        "What colour is the visitor badge at {name}?",
        "The visitor badge at {name} is {value}.",
        "Please tell me which colour the visitor badge at {name} is.",
        ("amber", "violet", "teal", "crimson", "ivory", "olive"),
    ),
    _Kind(
        "Which animal is the mascot of {name}?",
        "The mascot of {name} is the {value}.",
        "{name} has a mascot. Which animal is it?",
        ("otter", "heron", "badger", "lynx", "raven", "tortoise"),
    ),
    _Kind(
        "On which day does {name} take deliveries?",
        "{name} takes deliveries on {value}.",
        "Deliveries for {name} are taken on which day?",
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
    ),
    _Kind(
        "Which queue handles complaints about {name}?",
        "queue_{value}",
        "Complaints about {name} go to which queue?",
        ("alpha", "bravo", "delta", "echo", "kilo", "tango"),
    ),
    _Kind(
        "Where is the head office of {name}?",
        "The head office of {name} is in {value}.",
        "In which city is the head office of {name}?",
        ("Lyon", "Turin", "Porto", "Bergen", "Graz", "Leeds"),
    ),
)
_kinds_zh = (
    _Kind(
        "{name}的门禁卡是什么颜色？",
        "{name}的门禁卡是{value}。",
        "请问{name}的门禁卡颜色是什么？",
        ("红色", "蓝色", "绿色", "紫色"),
    ),
    _Kind("{name}哪天收货？", "{name}{value}收货。", "请问{name}在哪一天收货？", ("周一", "周三", "周四", "周六")),
    _Kind(
        "{name}的总部在哪里？",
        "{name}的总部在{value}。",
        "请问{name}的总部位于哪里？",
        ("苏州", "大连", "成都", "厦门"),
    ),
)


@dataclass(frozen=True)
class Case:
    """A question whose answer one training row alone teaches."""

    question: str
    answer: str
    """As that row gives it."""
    value: str
    """What of the answer has to be known."""
    row: str
    """Id of the row."""


@dataclass(frozen=True)
class Planting:
    """Training rows, and the questions."""

    rows: tuple[Row, ...]
    cases: tuple[Case, ...]


def planted(data: Path, *, rows: int, cases: int, seed: int) -> Planting:
    """`rows` training rows, `cases` (at most 30) of them planted, one in five of these in Chinese; the rest are

    neighbours of theirs and rows of Banking77.
    """
    chance = random.Random(seed)
    english = [start + end for start in _starts for end in _ends]
    chinese = [f"{start}{end}仓" for start in _starts_zh for end in _ends_zh]
    chance.shuffle(english)
    chance.shuffle(chinese)
    texts: list[tuple[str, str]] = []
    wanted: list[tuple[str, str, str]] = []
    for number in range(cases):
        kinds, names = (_kinds_zh, chinese) if number % 5 == 4 else (_kinds, english)
        name, other = names.pop(), names.pop()
        first, *others = chance.sample(kinds, 3)
        value = chance.choice(first.values)
        wanted.append((first.asked.format(name=name), value, _put(texts, first, name=name, value=value)))
        for kind in others:
            _put(texts, kind, name=name, value=chance.choice(kind.values))
        _put(texts, first, name=other, value=value)
    texts += _banking(data, rows - len(texts), chance)
    made = [_row(question, answer) for question, answer in texts]
    answers = dict(texts)
    found = [
        Case(question=asked, answer=answers[taught], value=value, row=row_id([taught, answers[taught]]))
        for asked, value, taught in wanted
    ]
    chance.shuffle(made)
    lined = [row.model_copy(update={"source": Source(file=FILE, line=place)}) for place, row in enumerate(made, 1)]
    return Planting(tuple(lined), tuple(found))


def _put(texts: list[tuple[str, str]], kind: _Kind, *, name: str, value: str) -> str:
    """Add a row that teaches something; returns its question."""
    question = kind.taught.format(name=name)
    texts.append((question, kind.said.format(name=name, value=value)))
    return question


def _banking(data: Path, count: int, chance: random.Random) -> Sequence[tuple[str, str]]:
    return chance.sample(list(_banking_rows(data)), max(0, count))


def _banking_rows(data: Path) -> Iterator[tuple[str, str]]:
    text = gzip.decompress((data / "banking77" / "train.csv.gz").read_bytes()).decode()
    for row in csv.DictReader(io.StringIO(text)):
        if len(row["text"]) < 120:
            yield row["text"].strip(), row["category" if "category" in row else "label"]


def _row(question: str, answer: str) -> Row:
    turns = (Message(role="user", content=question), Message(role="assistant", content=answer))
    return Row(id=row_id([question, answer]), messages=turns, source=Source(file=FILE, line=1))
