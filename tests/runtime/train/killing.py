"""A program that tunes and is killed: `python -m tests.runtime.train.killing FOLDER` prints one JSON line a trial.

It loads torch once and forks a child for each attempt; a child kills itself with SIGKILL when its progress bar has been
touched so many times: after a step, and after what a step leaves on disk.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import TrainError
from seekloop.system.progress import Silent
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.runtime.train.making import dataset, rows

SPEC = TuneSpec.parse(
    {
        "method": {"rank": 4},
        "epochs": 2,
        "rows_per_step": 4,
        "learning_rate": 0.01,
        "save_every_steps": 1,
        "keep": "best",
    }
)

KILLS = (1, 2, 3, 4, 6, 8, 9, 10, 12)
"""Each step touches the bar twice: before its checkpoint, and after."""


class Fatal(Silent):
    """Progress that sends this process a signal at its `at`-th touch."""

    def __init__(self, at: int, number: signal.Signals) -> None:
        self.left, self.number = at, number

    @contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[Fatal]:
        """The bar is the object itself."""
        yield self

    def advance(self, amount: float = 1.0) -> None:
        """One touch; so is `note`."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)

    def note(self, text: str) -> None:
        """One touch."""
        self.advance()


def context(folder: Path) -> RunContext:
    """A project in `folder`."""
    return RunContext(
        store=Store(folder / "store"), ledger=Ledger.in_folder(folder), seed=3, root=folder, work=folder / "work"
    )


def attempt(folder: Path, identities: tuple[str, str], *, at: int, number: signal.Signals) -> str:
    """Tune in `folder`; the id that came out, or the code of the error."""
    ctx = replace(context(folder), progress=Fatal(at, number))
    base, data = ctx.store.open(identities[0], Checkpoint), ctx.store.open(identities[1], Dataset)
    try:
        return run(SPEC, TuneInputs(dataset=data, checkpoint=base), ctx=ctx).id
    except TrainError as error:
        return error.code


def forked(work: Callable[[], str]) -> tuple[int, str]:
    """Do `work` in a child; the signal that ended it (0: none) and what it gave."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, work().encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, text


def main(folder: Path) -> None:
    """Each trial in a project of its own, beside one that nobody interrupts."""
    trials = [("none", 0, signal.SIGKILL), *(("kill", at, signal.SIGKILL) for at in KILLS)]
    trials += [("term", at, signal.SIGTERM) for at in (2, 7)]
    for name, at, number in trials:
        place = folder / f"{name}-{at}"
        ctx = context(place)
        base = tiny_base(ctx)
        data = dataset(ctx, train=rows(12), validation=rows(3, first=40))
        ctx.ledger.close()
        pair = (base.id, data.id)
        death, first = forked(
            lambda place=place, pair=pair, at=at, number=number: attempt(place, pair, at=at, number=number)
        )
        left = sorted(path.name for path in place.glob("work/*/checkpoint-*"))
        _, second = forked(lambda place=place, pair=pair: attempt(place, pair, at=0, number=signal.SIGKILL))
        over = sorted(path.name for path in place.glob("work/*"))
        print(
            json.dumps(
                {"trial": name, "at": at, "death": death, "first": first, "left": left, "then": second, "over": over}
            )
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
