"""The tune room: `make bench-tune DATA=FOLDER`, FOLDER being the public sets that are not ours to ship.

`python -m bench.tune FOLDER TOPIC…` measures some topics alone: a topic is a file `bench/tune_TOPIC.py`. Peers are
installed into `runs/peers/` when they are first needed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import harness
from bench.harness import Record

__all__ = ["TOPICS", "measures"]

TOPICS = ("speed", "ladder", "memory", "trunk", "plan", "search", "methods")


def measures(data: Path, topics: Sequence[str]) -> Iterator[Callable[[], Sequence[Record]]]:
    """The measures of these topics, in order."""
    for topic in topics:
        yield from importlib.import_module(f"bench.tune_{topic}").measures(data)


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("error: which folder holds the public data sets?\nhint: make bench-tune DATA=FOLDER")
    harness.run("tune", measures(Path(sys.argv[1]), sys.argv[2:] or TOPICS))
