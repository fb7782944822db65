"""A program that makes a dataset and is killed: `python -m tests.data.killing FOLDER` prints one JSON line a trial.

It forks a child for each attempt. Some children kill themselves with SIGKILL when their progress has been touched so
many times; others are killed from outside after a random time.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.data.spec import DataInputs, DataSpec
from seekloop.data.stage import run
from seekloop.system import provenance
from seekloop.system.progress import Silent

ROWS = 1_300
SPEC = DataSpec.parse({"sources": [{"path": "rows.jsonl"}], "filter": {"min_chars": 3}})
TOUCHES = (4, 7, 9)
"""In the parts, after the last one, and before the commit."""
RANDOM_KILLS = 3


class Fatal(Silent):
    """Progress that kills this process at its `at`-th touch, and says how many there were."""

    def __init__(self, at: int) -> None:
        self.at, self.touched = at, 0
        self.lines: list[str] = []

    @contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[Fatal]:
        """The bar is the object itself."""
        yield self

    def advance(self, amount: float = 1.0) -> None:
        """One touch."""
        self.touched += 1
        if self.touched == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def note(self, text: str) -> None:
        """No touch."""

    def say(self, text: str) -> None:
        """One touch."""
        self.lines.append(text)
        self.advance()


def write_rows(folder: Path) -> None:
    """Messages with duplicates of every kind in them."""
    chance = random.Random(5)
    words = [line.split() for line in ("please help me with my card", "the transfer has not arrived yet", "why a fee")]
    rows = []
    for number in range(ROWS):
        text = " ".join(chance.choice(chance.choice(words)) for _ in range(12)) + f" {number % 700}"
        text = rows[-9]["text"] + "s" if number % 10 == 9 else text
        rows.append({"text": text.upper() if number % 7 == 0 else text, "intent": f"i{number % 3}", "reply": "ok then"})
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def attempt(folder: Path, at: int) -> str:
    """Make the dataset; its id, what was said, and how often progress was touched."""
    progress = Fatal(at)
    ctx = replace(RunContext.in_folder(folder, seed=3), progress=progress)
    identity = run(SPEC, DataInputs(), ctx=ctx).id
    ctx.store.verify(identity)
    ctx.ledger.close()
    return json.dumps({"id": identity, "said": progress.lines, "touched": progress.touched})


def forked(work: Callable[[], str], *, kill_after_s: float | None = None) -> tuple[int, str]:
    """Do `work` in a child; the signal that ended it (0: none) and what it gave."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, work().encode())
        os._exit(0)
    os.close(writing)
    if kill_after_s is not None:
        select.select([], [], [], kill_after_s)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, text


def main(folder: Path) -> None:
    """Each trial in a project of its own, beside one that nobody interrupts."""
    write_rows(folder / "none")
    provenance.code_version(), provenance.lock_digest()  # known to every child
    start = time.monotonic()
    _, whole = forked(lambda: attempt(folder / "none", 0))
    wall = time.monotonic() - start
    print(json.dumps({"trial": "none", "death": 0, **json.loads(whole)}))
    chance = random.Random(11)
    trials: list[tuple[int, float | None]] = [(at, None) for at in TOUCHES]
    trials += [(0, chance.uniform(0.2 * wall, wall)) for _ in range(RANDOM_KILLS)]
    for number, (at, after) in enumerate(trials):
        place = folder / str(number)
        write_rows(place)
        death, _ = forked(lambda place=place, at=at: attempt(place, at), kill_after_s=after)
        left = len(list(place.glob(".seekloop/work/data-*/part-*")))
        _, then = forked(lambda place=place: attempt(place, 0))
        over = [path.name for path in place.glob(".seekloop/work/*")] + [
            path.name for path in place.glob(".seekloop/store/tmp/*")
        ]
        print(json.dumps({"trial": at or after, "death": death, "left": left, "over": over, **json.loads(then)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
