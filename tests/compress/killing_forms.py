"""A program that converts to forms of other engines and is killed: `python -m tests.compress.killing_forms FOLDER`."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.compress.stage import run
from seekloop.runtime.tiny import tiny_base
from seekloop.system import provenance
from seekloop.system.errors import ArtifactError
from tests.compress.small_rows import dataset_of
from tests.killing import Fatal, fill_the_disk, forked, send

METHODS = {
    "openvino": {"type": "openvino", "precision": "int8"},
    "w4a16": {"type": "w4a16", "group": 32},
    "w8a8": {"type": "w8a8"},
    "bitsandbytes": {"type": "bitsandbytes"},
}
KILLS = {"openvino": (4, 5), "w4a16": (1, 3, 4), "w8a8": (3, 15), "bitsandbytes": (3, 21)}
"""Touches of the bar: before anything is written, when all is, and while the form is compared with its parent."""
FULL = {"openvino": 3, "w4a16": 2}
"""Touches just before the files are written."""


def attempt(folder: Path, method: str, *, at: int = 0, then: Callable[[], None] = fill_the_disk) -> str:
    """Convert the tiny model; the form's id, or the error, and how often the bar was touched."""
    ctx = RunContext.in_folder(folder, seed=3)
    progress = Fatal(at, then, touches=("advance", "note"))
    parent, rows = (json.loads((folder / "ids.json").read_text())[kind] for kind in ("checkpoint", "dataset"))
    inputs = CompressInputs(checkpoint=ctx.store.open(parent, Checkpoint), dataset=ctx.store.open(rows, Dataset))
    try:
        made = run(CompressSpec.parse({"method": METHODS[method]}), inputs, ctx=replace(ctx, progress=progress))
    except ArtifactError as error:
        return json.dumps({"code": error.code, "sentence": error.sentence("en")})
    ctx.store.verify(made.id)
    ctx.ledger.close()
    return json.dumps({"id": made.id, "touched": progress.touched})


def prepared(folder: Path) -> Path:
    """A project with a checkpoint and a dataset."""
    folder.mkdir(parents=True)
    ctx = RunContext.in_folder(folder, seed=3)
    ids = {"checkpoint": tiny_base(ctx).id, "dataset": dataset_of(ctx, questions=3).id}
    (folder / "ids.json").write_text(json.dumps(ids))
    ctx.ledger.close()
    return folder


def trial(folder: Path, method: str, *, at: int, then: Callable[[], None]) -> dict[str, object]:
    """Let a conversion die in a project of its own, convert again, and tell what was seen."""
    place = prepared(folder)
    death, first = forked(lambda: attempt(place, method, at=at, then=then))
    half = [path.name for path in place.glob(".seekloop/store/checkpoint/*")]
    _, second = forked(lambda: attempt(place, method))
    over = [path.name for part in ("work", "store/tmp") for path in place.glob(f".seekloop/{part}/*")]
    return {"death": death, "first": json.loads(first or "{}"), "half": half, "over": over} | json.loads(second)


def main(folder: Path) -> None:
    """Each method calm, killed at several moments, and some with a disk that is full."""
    provenance.code_version(), provenance.lock_digest()  # known to every child
    for method in METHODS:
        place = prepared(folder / f"{method}-calm")
        _, calm = forked(lambda place=place, method=method: attempt(place, method))
        killed = [trial(folder / f"{method}-{at}", method, at=at, then=send(signal.SIGKILL)) for at in KILLS[method]]
        full = [trial(folder / f"{method}-full", method, at=FULL[method], then=fill_the_disk)] if method in FULL else []
        print(json.dumps({"method": method, "calm": json.loads(calm), "killed": killed, "full": full}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
