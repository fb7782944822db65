"""A program that evaluates and is killed: `python -m tests.evaluate.killing FOLDER` prints one JSON line a trial."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import write_rows
from seekloop.evaluate import stage
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.runtime.tiny import tiny_base
from seekloop.system import provenance
from seekloop.system.errors import ArtifactError
from seekloop.system.spec import Spec
from tests.evaluate.conftest import bank_rows
from tests.killing import Fatal, fill_the_disk, forked, send

ROWS, PROBES = 30, 24
SPEC = EvaluateSpec(max_tokens=6, resamples=100, threads=1, streams=4)
TOUCHES = (9, ROWS, ROWS + 5)
"""In the middle, after the last answer, and among the probes."""
FULL = (1, ROWS)
RANDOM_KILLS = 2


def attempt(folder: Path, *, at: int = 0, then: Callable[[], None] = fill_the_disk) -> str:
    """Evaluate; the report's id or the error, what was said, and how many answers were generated."""
    progress = Fatal(at, then, touches=("advance",))
    ctx = replace(RunContext.in_folder(folder, seed=3), progress=progress)
    rows = bank_rows(ROWS)
    with ctx.job("data", Spec()) as job:
        for split in ("train", "validation", "test", "calibration", "dropped"):
            write_rows(job.path(f"{split}.jsonl"), rows if split == "test" else [])
        labels = tuple(sorted({row.label for row in rows if row.label}))
        splits = {"train": 0, "validation": 0, "test": ROWS}
        answer = {"answer": "label_then_text", "labels": labels, "dropped": {}}
        dataset = job.commit(Dataset(made_by=job.origin, rows=ROWS, splits=splits, **answer))
    inputs = EvaluateInputs(checkpoint=tiny_base(ctx), dataset=dataset)
    try:
        identity = stage.run(SPEC, inputs, ctx=ctx).id
    except ArtifactError as error:
        return json.dumps({"code": error.code, "sentence": error.sentence("en")})
    ctx.store.verify(identity)
    ctx.ledger.close()
    return json.dumps({"id": identity, "said": progress.lines, "touched": progress.touched})


def trial(folder: Path, name: str, *, at: int, then: Callable[[], None], after: float | None = None) -> None:
    """Let a run die in a project of its own, run it again, and print what was seen."""
    folder.mkdir(parents=True)
    death, first = forked(lambda: attempt(folder, at=at, then=then), kill_after_s=after)
    _, second = forked(lambda: attempt(folder))
    over = [
        path.name for place in ("work/evaluate-*", "work/probes/.*", "store/tmp/*") for path in _left(folder, place)
    ]
    seen = {"trial": name, "at": at, "death": death, "first": json.loads(first or "{}"), "over": over}
    print(json.dumps(seen | json.loads(second)), flush=True)


def _left(folder: Path, place: str) -> Iterator[Path]:
    """Answers to probes are kept on purpose; what is half written is not."""
    return folder.glob(f".seekloop/{place}")


def main(folder: Path) -> None:
    """Each trial in a project of its own, beside one that nobody interrupts."""
    (folder / "none").mkdir(parents=True)
    provenance.code_version(), provenance.lock_digest()  # known to every child
    start = time.monotonic()
    _, whole = forked(lambda: attempt(folder / "none"))
    wall = time.monotonic() - start
    print(json.dumps({"trial": "none", "death": 0, **json.loads(whole)}), flush=True)
    chance, kill = random.Random(11), send(signal.SIGKILL)
    for at in TOUCHES:
        trial(folder / f"kill-{at}", "kill", at=at, then=kill)
    for at in FULL:
        trial(folder / f"full-{at}", "full", at=at, then=fill_the_disk)
    for number in range(RANDOM_KILLS):
        trial(folder / str(number), "random", at=0, then=kill, after=chance.uniform(0.2 * wall, wall))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
