"""A program that converts and dies: `python -m tests.compress.killing_gguf FOLDER` prints one JSON line a trial."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.compress import stage
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.runtime.tiny import tiny_base
from seekloop.system import provenance
from seekloop.system.errors import ArtifactError
from tests.killing import Fatal, fill_the_disk, forked, send

WRITING, CHECKING = 4, 25
"""Tensors: of twenty, the first are being written, or all are and the file is read again."""
SPEC = CompressSpec(method=GgufMethod(precision="q4_k_m"))


def attempt(folder: Path, *, at: int = 0, then: Callable[[], None] = fill_the_disk) -> str:
    """Convert the tiny model; the form's id, or the error."""
    ctx = RunContext.in_folder(folder, seed=3)
    base = tiny_base(ctx)
    progress = Fatal(at, then, touches=("advance",))
    try:
        made = stage.run(SPEC, CompressInputs(checkpoint=base), ctx=replace(ctx, progress=progress))
    except ArtifactError as error:
        return json.dumps({"code": error.code, "sentence": error.sentence("en")})
    ctx.store.verify(made.id)
    ctx.ledger.close()
    return json.dumps({"id": made.id})


def trial(folder: Path, name: str, *, at: int, then: Callable[[], None]) -> None:
    """Let a conversion die in a project of its own, convert again, and print what was seen."""
    folder.mkdir(parents=True)
    death, first = forked(lambda: attempt(folder, at=at, then=then))
    half = [str(path.name) for path in folder.glob(".seekloop/store/checkpoint/*/model.gguf")]
    _, second = forked(lambda: attempt(folder))
    over = [path.name for place in ("work", "store/tmp") for path in folder.glob(f".seekloop/{place}/*")]
    seen = {"trial": name, "death": death, "first": json.loads(first or "{}"), "half": half, "over": over}
    print(json.dumps(seen | json.loads(second)), flush=True)


def main(folder: Path) -> None:
    """One that nobody interrupts, then those that are killed, then those that find the disk full."""
    (folder / "none").mkdir(parents=True)
    provenance.code_version(), provenance.lock_digest()  # known to every child
    _, whole = forked(lambda: attempt(folder / "none"))
    print(json.dumps({"trial": "none", "death": 0, **json.loads(whole)}), flush=True)
    for at in (WRITING, CHECKING):
        trial(folder / f"kill-{at}", "kill", at=at, then=send(signal.SIGKILL))
    trial(folder / "full", "full", at=WRITING, then=fill_the_disk)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
