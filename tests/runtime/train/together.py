"""A program that tunes with one process and with several: `python -m tests.runtime.train.together FOLDER`.

It loads torch once and forks every process of every run; it prints one JSON line a trial. In a trial with a signal, the
first process sends it to a victim when its own progress bar has been touched so many times.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.runtime.train.ranks import Ranks
from seekloop.system import provenance
from seekloop.system.errors import SeekloopError, TrainError
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.killing import Fatal
from tests.runtime.train.killing import SPEC, context, prepared

DROPOUT = TuneSpec.parse({**SPEC.model_dump(exclude_unset=True), "method": {"rank": 4, "dropout": 0.5}})
FULL = TuneSpec.parse({**SPEC.model_dump(exclude_unset=True), "method": "full"})


class Died(RuntimeError):
    """A process ended that nobody had told to."""


def agreed() -> list[object]:
    """What two processes make of different gradients, texts, and a failure of the second one."""
    with Ranks.open() as ranks:
        own = torch.full((2, 2), 1.0 + ranks.rank)
        grads = ranks.add_gradients([own, own if ranks.rank else None, None], like=[torch.zeros(2, 2)] * 3)
        sums = [grad if grad is None else grad.flatten().tolist() for grad in grads]
        text = ranks.text_of_first(f"第 {ranks.rank} 号")
        try:
            with ranks.together():
                if ranks.rank:
                    raise TrainError("train.not_moving", total=1)
        except TrainError as error:
            return [sums, text, error.code]
    return [sums, text]


def attempt(place: Path, pair: Sequence[str], *, spec: TuneSpec, progress: Fatal) -> list[object]:
    """Tune: the id and the losses, or the code of the error."""
    ctx = replace(context(place), progress=progress)
    base, data = ctx.store.open(pair[0], Checkpoint), ctx.store.open(pair[1], Dataset)
    try:
        made = run(spec, TuneInputs(dataset=data, checkpoint=base), ctx=ctx)
    except SeekloopError as error:
        return [error.code]
    history = json.loads(ctx.store.path(made.id, "trainer_state.json").read_text("utf-8"))["log_history"]
    return [made.id, *(entry.get("loss", entry.get("eval_loss")) for entry in history)]


def launched(
    place: Path,
    pair: Sequence[str],
    *,
    processes: int,
    threads: int = 1,
    at: int = 0,
    victim: int = 1,
    number: signal.Signals = signal.SIGKILL,
    spec: TuneSpec = SPEC,
    work: Callable[[], object] | None = None,
) -> list[list[object]]:
    """What each process gave, of `work` or of a run, the first one first; nothing for one that was killed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pids: dict[int, int] = {}
    pipes: dict[int, int] = {}
    # The last is forked first: the first one knows the others.
    for rank in range(processes - 1, -1, -1):
        pipes[rank], writing = os.pipe()
        pids[rank] = os.fork()
        if pids[rank] == 0:
            os.environ.update(SEEKLOOP_THREADS=str(threads), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
            os.environ.update(
                RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(processes), LOCAL_WORLD_SIZE=str(processes)
            )
            target = os.getpid() if rank == victim else pids.get(victim, 0)
            progress = Fatal(
                at if rank == 0 else 0, lambda target=target: os.kill(target, number), touches=("advance",)
            )
            found = work() if work else attempt(place, pair, spec=spec, progress=progress)
            os.write(writing, json.dumps(found).encode())
            os._exit(0)
        os.close(writing)
    found = []
    died: dict[int, int] = {}
    for rank in range(processes):
        with os.fdopen(pipes[rank]) as pipe:
            text = pipe.read()
        _, status = os.waitpid(pids[rank], 0)
        died[rank] = 0 if text or (at and rank == victim) else os.waitstatus_to_exitcode(status)
        found.append(json.loads(text) if text else [])
    if any(died.values()):
        raise Died(f"of {processes} processes some ended by themselves, rank -> exit code: {died}", died)
    return found


def trial(folder: Path, name: str, **changes: object) -> None:
    """One run, and, where it was cut short, the same run again by one process."""
    place = folder / name
    pair = prepared(place)
    first = launched(place, pair, **changes)
    left = sorted(path.name for path in place.glob("work/*/checkpoint-*"))
    then = launched(place, pair, processes=1, threads=2) if "at" in changes else []
    print(json.dumps({"trial": name, "first": first, "left": left, "then": then}), flush=True)


def main(folder: Path) -> None:
    """Each trial in a project of its own."""
    torch.set_num_threads(1)
    provenance.code_version(), provenance.lock_digest()  # read once here, not in every child
    trial(folder, "alone", processes=1)
    trial(folder, "workers", processes=1, threads=2)
    trial(folder, "two", processes=2)
    trial(folder, "three", processes=3)
    trial(folder, "full-workers", processes=1, threads=2, spec=FULL)
    trial(folder, "full-two", processes=2, spec=FULL)
    trial(folder, "agreed", processes=2, work=agreed)
    trial(folder, "dropout", processes=2, spec=DROPOUT)
    trial(folder, "dropout-again", processes=2, spec=DROPOUT)
    trial(folder, "killed-second", processes=2, at=4, victim=1)
    trial(folder, "killed-first", processes=2, at=6, victim=0)
    trial(folder, "told", processes=2, at=4, victim=1, number=signal.SIGTERM)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
