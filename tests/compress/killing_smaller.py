"""A program that prunes and distils and is killed: `python -m tests.compress.killing_smaller FOLDER`."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.compress.stage import run
from seekloop.runtime.tiny import tiny_base
from tests.compress.small_rows import dataset_of
from tests.killing import Fatal, forked, send

TRAINING = {"epochs": 1, "max_steps": 4, "rows_per_step": 4, "learning_rate": 1e-3, "save_every_steps": 1}
METHODS = {
    "prune": {"type": "prune", "heads": 0.5, "layers": 0.5, "recover": TRAINING},
    "distil": {"type": "distil", "training": TRAINING, "max_tokens": 4},
}
KILLS = (3, 6)
"""Importance, the teacher's passes and training all touch the bar."""


def context(folder: Path) -> RunContext:
    """A project in `folder`."""
    return RunContext.in_folder(folder, seed=3)


def attempt(folder: Path, identities: tuple[str, str], method: str, *, at: int) -> str:
    """Compress in `folder`; the id that came out."""
    ctx = replace(context(folder), progress=Fatal(at, send(signal.SIGKILL), touches=("advance",)))
    parent, rows = ctx.store.open(identities[0], Checkpoint), ctx.store.open(identities[1], Dataset)
    spec = CompressSpec.parse({"method": METHODS[method]})
    return run(spec, CompressInputs(checkpoint=parent, dataset=rows), ctx=ctx).id


def prepared(folder: Path) -> tuple[str, str]:
    """A checkpoint and a dataset."""
    folder.mkdir()
    ctx = context(folder)
    return tiny_base(ctx).id, dataset_of(ctx, questions=3).id


def trial(place: Path, method: str, kills: tuple[int, ...]) -> list[tuple[int, str]]:
    """How each attempt ended, and the last one, which is let alone."""
    pair = prepared(place)
    return [forked(lambda at=at: attempt(place, pair, method, at=at)) for at in (*kills, 0)]


def main(folder: Path) -> None:
    """Each method calm, and killed again and again in one project."""
    for method in METHODS:
        calm = trial(folder / f"{method}-calm", method, ())
        killed = trial(folder / f"{method}-killed", method, KILLS)
        print(json.dumps({"method": method, "calm": calm, "killed": killed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
