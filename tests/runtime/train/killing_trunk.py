"""A program that tunes the last layers and is killed: `python -m tests.runtime.train.killing_trunk FOLDER`.

It prints one JSON line a trial: while the trunk's states are written, when they are there, and in a later epoch.
"""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.runtime.tiny import tiny_base
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.killing import Fatal, forked, send
from tests.runtime.train.killing import context
from tests.runtime.train.making import dataset, rows

SPEC = TuneSpec.parse(
    {
        "method": {"type": "last_layers", "last": 1, "memory_mb": 0},
        "epochs": 2,
        "rows_per_step": 4,
        "learning_rate": 0.01,
        "save_every_steps": 1,
    }
)
KILLS = (1, 3, 11)
"""The first touch of the bar is the trunk's; then each step touches it twice."""


def attempt(folder: Path, identities: tuple[str, str], *, at: int) -> str:
    """Tune in `folder`; the id that came out."""
    ctx = replace(context(folder), progress=Fatal(at, send(signal.SIGKILL), touches=("advance", "note")))
    base, data = ctx.store.open(identities[0], Checkpoint), ctx.store.open(identities[1], Dataset)
    return run(SPEC, TuneInputs(dataset=data, checkpoint=base), ctx=ctx).id


def main(folder: Path) -> None:
    """Each trial in a project of its own, the first without a kill."""
    for at in (0, *KILLS):
        place = folder / str(at)
        ctx = context(place)
        base = tiny_base(ctx)
        data = dataset(ctx, train=rows(12), validation=rows(3, first=40))
        ctx.ledger.close()
        pair = (base.id, data.id)
        death, first = forked(lambda place=place, pair=pair, at=at: attempt(place, pair, at=at))
        left = sorted(path.name for path in place.glob("work/*/*"))
        _, second = forked(lambda place=place, pair=pair: attempt(place, pair, at=0))
        print(json.dumps({"at": at, "death": death, "first": first, "left": left, "then": second}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
