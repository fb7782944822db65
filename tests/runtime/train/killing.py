"""A program that tunes and is killed: `python -m tests.runtime.train.killing FOLDER` prints one JSON line a trial.

It loads torch once and forks a child for each attempt; a child kills itself with SIGKILL when its progress bar has been
touched so many times: after a step, and after what a step leaves on disk.
"""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.runtime.tiny import tiny_base
from seekloop.system import provenance
from seekloop.system.errors import TrainError
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.killing import Fatal, forked, send
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


def context(folder: Path) -> RunContext:
    """A project in `folder`."""
    return RunContext(
        store=Store(folder / "store"), ledger=Ledger.in_folder(folder), seed=3, root=folder, work=folder / "work"
    )


def attempt(
    folder: Path, identities: tuple[str, str], *, at: int, number: signal.Signals, spec: TuneSpec = SPEC
) -> str:
    """Tune in `folder`; the id that came out, or the code of the error."""
    progress = Fatal(at, send(number), touches=("advance", "note"))
    ctx = replace(context(folder), progress=progress)
    base, data = ctx.store.open(identities[0], Checkpoint), ctx.store.open(identities[1], Dataset)
    try:
        return run(spec, TuneInputs(dataset=data, checkpoint=base), ctx=ctx).id
    except TrainError as error:
        return error.code


def preempted(folder: Path, times: int) -> None:
    """One run that is pre-empted so many times, by SIGTERM, SIGKILL and SIGINT in turns, beside one that is not."""
    spec = TuneSpec.parse({**SPEC.model_dump(exclude_unset=True), "epochs": 9})
    numbers = (signal.SIGTERM, signal.SIGKILL, signal.SIGINT)
    ends = []
    for place, signals in ((folder / "calm", 0), (folder / "spot", times)):
        pair = prepared(place)
        for index in range(signals):
            number = numbers[index % len(numbers)]
            ends.append(
                forked(
                    lambda place=place, pair=pair, number=number, index=index: attempt(
                        place, pair, at=2 + index % 2, number=number, spec=spec
                    )
                )
            )
        ends.append(forked(lambda place=place, pair=pair: attempt(place, pair, at=0, number=signal.SIGKILL, spec=spec)))
    print(json.dumps({"trial": "spot", "at": times, "ends": ends}))


def prepared(place: Path) -> tuple[str, str]:
    """A project with a base and a dataset; their ids."""
    ctx = context(place)
    base = tiny_base(ctx)
    data = dataset(ctx, train=rows(12), validation=rows(3, first=40))
    ctx.ledger.close()
    return base.id, data.id


def main(folder: Path) -> None:
    """Each trial in a project of its own, beside one that nobody interrupts."""
    provenance.code_version(), provenance.lock_digest()  # read once here, not in every child
    trials = [("none", 0, signal.SIGKILL), *(("kill", at, signal.SIGKILL) for at in KILLS)]
    trials += [("term", at, signal.SIGTERM) for at in (2, 7)]
    trials += [("term", 4, signal.SIGINT)]
    for name, at, number in trials:
        place = folder / f"{name}-{at}"
        pair = prepared(place)
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
    preempted(folder, 20)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
