"""A program that makes a dataset and is killed: `python -m tests.data.killing FOLDER` prints one JSON line a trial.

Some runs kill themselves with SIGKILL when their progress has been touched so many times, or find the disk full from
then on; others are killed from outside after a random time.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.data.spec import RULES, DataInputs, DataSpec
from seekloop.data.stage import run
from seekloop.system import provenance
from seekloop.system.errors import ArtifactError
from tests.killing import Fatal, fill_the_disk, forked, send

ROWS = 1_300
LEARNING = {"min_chars": 3, "rules": [*RULES, "irrelevant_reply"]}
SPEC = DataSpec.parse({"sources": [{"path": "rows.jsonl"}], "filter": LEARNING})
TOUCHES = (4, 7, 9)
"""In the parts, after the last one, and before the commit."""
FULL = (4, 7, 10, 11)
"""While parts are written, the dataset, and when it is committed."""
RANDOM_KILLS = 3


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


def attempt(folder: Path, *, at: int = 0, then: Callable[[], None] = fill_the_disk) -> str:
    """Make the dataset; its id or the error, what was said, and how often progress was touched."""
    progress = Fatal(at, then)
    ctx = replace(RunContext.in_folder(folder, seed=3), progress=progress)
    try:
        identity = run(SPEC, DataInputs(), ctx=ctx).id
    except ArtifactError as error:
        return json.dumps({"code": error.code, "sentence": str(error), "half": unfinished(folder)})
    ctx.store.verify(identity)
    ctx.ledger.close()
    return json.dumps({"id": identity, "said": progress.lines, "touched": progress.touched})


def unfinished(folder: Path) -> list[str]:
    """Names of what a run wrote and did not finish, and of datasets."""
    places = (".seekloop/work/**/.*", ".seekloop/store/tmp/*", ".seekloop/store/dataset/*")
    return [path.name for place in places for path in folder.glob(place) if path.name != ".lock"]


def trial(folder: Path, name: str, *, at: int, then: Callable[[], None], after: float | None = None) -> None:
    """Let a run die in a project of its own, run it again, and print what was seen."""
    write_rows(folder)
    death, first = forked(lambda: attempt(folder, at=at, then=then), kill_after_s=after)
    left = len(list(folder.glob(".seekloop/work/data-*/part-*")))
    _, second = forked(lambda: attempt(folder))
    over = [path.name for place in ("work", "store/tmp") for path in folder.glob(f".seekloop/{place}/*")]
    seen = {"trial": name, "death": death, "first": json.loads(first or "{}"), "left": left, "over": over}
    print(json.dumps(seen | json.loads(second)))


def main(folder: Path) -> None:
    """Each trial in a project of its own, beside one that nobody interrupts."""
    write_rows(folder / "none")
    provenance.code_version(), provenance.lock_digest()  # known to every child
    start = time.monotonic()
    _, whole = forked(lambda: attempt(folder / "none"))
    wall = time.monotonic() - start
    print(json.dumps({"trial": "none", "death": 0, **json.loads(whole)}))
    chance, kill = random.Random(11), send(signal.SIGKILL)
    for at in TOUCHES:
        trial(folder / f"kill-{at}", "kill", at=at, then=kill)
    for at in FULL:
        trial(folder / f"full-{at}", "full", at=at, then=fill_the_disk)
    for number in range(RANDOM_KILLS):
        trial(folder / str(number), "kill", at=0, then=kill, after=chance.uniform(0.2 * wall, wall))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
