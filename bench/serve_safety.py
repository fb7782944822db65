"""What the shipped policies find, what they stop in error, and what they cost.

The prompts of `safety_heldout.jsonl` are ours: half are to be stopped, half are near misses that are not. The rules
were written before them and are never corrected by them; a rule is improved on other examples. Everyday traffic is
what customers wrote: Banking77 and Bitext in English, questions to Chinese doctors in Chinese.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from bench.harness import Record, wilson
from seekloop.artifact.rows import Message
from seekloop.artifact.store import Store
from seekloop.model.codec import Delta
from seekloop.serve.safety.options import SafetyOptions
from seekloop.serve.safety.screen import Screen
from seekloop.text.script import traditional

__all__ = ["measures"]

HELD_OUT = Path(__file__).parent / "safety_heldout.jsonl"
DATA = "bench/safety_heldout.jsonl (ours)"
_wide = {0x20: 0x3000} | {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_alike = str.maketrans("aeopcx", "аеорсх")
DISGUISES: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "full width": lambda text: text.translate(_wide),
        "unseen marks": lambda text: "\u200b".join(text),
        "Cyrillic letters": lambda text: text.translate(_alike),
        "traditional characters": traditional,
        "marks between letters": lambda text: " ".join("-".join(word) for word in text.split(" ")),
    }
)


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The figures of this file, on the shared data folder."""
    screen = _screen()
    rows = [json.loads(line) for line in HELD_OUT.read_text("utf-8").splitlines()]
    return [
        lambda: [*_held_out(screen, rows), *_disguised(screen, rows)],
        lambda: _traffic(screen, data),
        lambda: _cost(_screen(), data),  # one that has seen nothing yet
    ]


def _screen() -> Screen:
    screen = Screen.open(SafetyOptions(mode="enforce"), store=Store(Path("runs/safety")))
    assert screen is not None
    return screen


def _held_out(screen: Screen, rows: Sequence[Mapping[str, str]]) -> list[Record]:
    records = []
    for side, name in (("stop", "safety_recall"), ("pass", "safety_false_positive_near")):
        for language in ("en", "zh"):
            mine = [row for row in rows if row["side"] == side and row["language"] == language]
            stopped = [_stops(screen, row["text"], where=row["where"]) for row in mine]
            records.append(
                _share(name, language, sum(stopped), len(mine), better="higher" if side == "stop" else "lower")
            )
            _print_by_category(mine, stopped, name=f"{name}_{language}")
    return records


def _print_by_category(rows: Sequence[Mapping[str, str]], stopped: Sequence[bool], *, name: str) -> None:
    categories = dict.fromkeys(row["category"] for row in rows)
    for category in categories:
        mine = [hit for row, hit in zip(rows, stopped, strict=True) if row["category"] == category]
        print(f"  {name} {category}: {sum(mine)} of {len(mine)}")


def _disguised(screen: Screen, rows: Sequence[Mapping[str, str]]) -> list[Record]:
    """Of the prompts that are stopped as they are, the share that is stopped in disguise too."""
    open_ = [row for row in rows if row["side"] == "stop" and _stops(screen, row["text"], where=row["where"])]
    found = total = 0
    for name, disguise in DISGUISES.items():
        kept = sum(_stops(screen, disguise(row["text"]), where=row["where"]) for row in open_)
        print(f"  disguised, {name}: {kept} of {len(open_)}")
        found, total = found + kept, total + len(open_)
    return [_share("safety_recall_disguised", "both", found, total, better="higher")]


def _traffic(screen: Screen, data: Path) -> list[Record]:
    records = []
    for language, texts in (("en", _english(data)), ("zh", _chinese(data))):
        stopped = [text for text in texts if _stops(screen, text)]
        for text in stopped[:5]:
            print(f"  stopped: {text[:100]}")
        records.append(_share("safety_false_positive_traffic", language, len(stopped), len(texts), better="lower"))
    return records


def _cost(screen: Screen, data: Path) -> list[Record]:
    """Microseconds a request once warm and while warming up; characters that a benign answer is held back."""
    texts = (*_english(data)[:1500], *_chinese(data)[:500])
    cold, warm = ([_seconds(screen, text) for text in texts] for _ in range(2))
    lengths = sum(map(len, texts)) / len(texts)
    held, longest = _held(screen, texts[-200:] + texts[:200])
    return [
        _cost_record("safety_us_request", 1e6 * statistics.median(warm), unit=f"us ({lengths:.0f} characters)"),
        _cost_record("safety_us_request_first_seen", 1e6 * statistics.mean(cold), unit="us, mean"),
        _cost_record("safety_held_characters", held, unit="characters, mean"),
        _cost_record("safety_held_characters_most", longest, unit="characters"),
    ]


def _cost_record(name: str, value: float, *, unit: str) -> Record:
    n = 400 if "held" in name else 2_000
    return Record(name=name, value=value, unit=unit, better="lower", n=n, data="customers' messages", threads=1)


def _held(screen: Screen, texts: Sequence[str]) -> tuple[float, int]:
    """How many characters of a benign answer wait at a time, as it comes character by character."""

    async def one(text: str) -> list[int]:
        guard, given, waiting = screen.guard({}), 0, []
        for place, character in enumerate(text, start=1):
            given += len((await guard.push(Delta(content=character))).content)
            waiting.append(place - given)
        return waiting

    waits = [wait for text in texts for wait in asyncio.run(one(text))]
    return statistics.mean(waits), max(waits)


def _seconds(screen: Screen, text: str) -> float:
    message = [Message(role="user", content=text)]
    begin = time.perf_counter()
    screen.asked(message)
    return time.perf_counter() - begin


def _stops(screen: Screen, text: str, *, where: str = "user") -> bool:
    role = "tool" if where == "tool" else "user"
    return screen.asked([Message(role=role, content=text)]).blocked is not None


def _share(name: str, language: str, found: int, n: int, *, better: str) -> Record:
    data = "customers' messages" if "traffic" in name else DATA
    return Record(
        name=f"{name}_{language}",
        value=found / n,
        unit="share",
        better="higher" if better == "higher" else "lower",
        n=n,
        ci=wilson(found, n),
        data=data,
    )


def _english(data: Path) -> tuple[str, ...]:
    banking = (data / "banking77" / "test.csv").read_text("utf-8")
    bitext = (data / "bitext_cs" / "Bitext_Sample_Customer_Service_Testing_Dataset.csv").read_text("utf-8")
    texts: Iterable[str] = [row["text"].strip() for row in csv.DictReader(io.StringIO(banking))]
    return tuple(dict.fromkeys([*texts, *(row["utterance"] for row in csv.DictReader(io.StringIO(bitext)))]))


def _chinese(data: Path) -> tuple[str, ...]:
    (path,) = (data / "cmedical_dialogue_zh").glob("*.csv.gz")
    rows = csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode("gb18030")))
    return tuple(dict.fromkeys(row["ask"] for row in rows))
