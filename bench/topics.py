"""A room that is measured topic by topic: `python -m bench.ROOM FOLDER TOPIC…`, a topic being `bench/ROOM_TOPIC.py`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import harness
from bench.harness import Record

__all__ = ["run"]


def run(room: str, topics: Sequence[str]) -> None:
    """Measure the topics that the command line names, or all; its first word is the folder of the public sets."""
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(f"error: which folder holds the public data sets?\nhint: make bench-{room} DATA=FOLDER")
    harness.run(room, _measures(room, Path(sys.argv[1]), topics=sys.argv[2:] or topics))


def _measures(room: str, data: Path, *, topics: Sequence[str]) -> Iterator[Callable[[], Sequence[Record]]]:
    for topic in topics:
        yield from importlib.import_module(f"bench.{room}_{topic}").measures(data)
