"""What a pre-emption costs: SIGTERM to the checkpoint on disk, in the middle of long steps, and whether twenty of them
in one run change a bit of what comes out. SmolLM2-135M, LoRA and full.

`python -m bench.tune_preempt FOLDER` measures it alone; FOLDER holds `banking77/` and `general_eval/`.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import harness
from bench.harness import Record
from bench.tune_methods import SEED, banking_rows
from bench.tune_trunk import plain_loop
from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Message, Row, Source, row_id
from seekloop.model.codec import Codec, View
from seekloop.runtime import models
from seekloop.runtime.bases import open_base
from seekloop.runtime.train.batching import StepPlan
from seekloop.runtime.train.loop import train
from seekloop.runtime.train.methods.full import Full
from seekloop.runtime.train.methods.lora import Lora, LoraConfig
from seekloop.runtime.train.methods.method import Method
from seekloop.runtime.train.state import Work
from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.system.progress import Silent

__all__ = ["measures"]

LONG_TOKENS, LONG_ROWS = 1900, 4
"""Of a row, and rows of a step: each row is a micro-batch of its own, the longest kind there is on this model."""
MOMENTS = (0.1, 0.4, 0.7, 0.95)
"""Of a step, when the signal comes."""
TIMES, STEPS = 20, 24
"""Pre-emptions of one run, and its optimizer steps."""
_wait_s = 600.0


@dataclass
class _Telling(Silent):
    """Writes a byte when an optimizer step is done."""

    pipe: int

    @contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[_Telling]:
        """Itself."""
        yield self

    def advance(self, amount: float = 1.0) -> None:
        """Nothing: a step ends with its note."""

    def note(self, text: str) -> None:
        """A step was done."""
        os.write(self.pipe, b".")


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What is trained, so that it can be done again."""

    folder: Path
    method: str
    rows: Sequence[Row]
    rows_per_step: int
    steps: int
    save_every_steps: int | None = None
    """None: only when it is told to stop."""

    def attempt(self, pipe: int) -> str:
        """Train on from where the run is; the digest of the weights, or the code of the error."""
        with RunContext.in_folder(self.folder, seed=SEED, progress=_Telling(pipe)) as ctx:
            base = open_base("smollm2-135m", ctx=ctx)
            codec = models.codec_of(base, store=ctx.store)
            plan = StepPlan(
                rows=_views(self.rows, codec),
                rows_per_step=self.rows_per_step,
                epochs=self.steps,
                max_steps=self.steps,
                seed=SEED,
            )
            model, method = models.load(base, store=ctx.store), _method(self.method, codec)
            config = plain_loop(codec.pad_id, save_every_steps=self.save_every_steps)
            work = Work(self.folder / "run")
            try:
                train(model, method, plan=plan, config=config, validation=[], work=work, ctx=ctx)
            except TrainError as error:
                return error.code
            done = self.folder / "done"
            done.mkdir()
            method.export(model, done)
        return digests.of_file(next(done.glob("*model.safetensors")))


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Seconds to the checkpoint for either kind of checkpoint, and the digest."""
    return [
        partial(_checkpoints, "lora", data),
        partial(_checkpoints, "full", data),
        partial(_digest, data),
    ]


def _checkpoints(method: str, data: Path) -> Sequence[Record]:
    """A run is stopped at each moment of a step; what counts is when its manifest, which is written last, is there."""
    rows = _long(data)
    saved, ended = [], []
    with tempfile.TemporaryDirectory() as place:
        run = _Run(folder=Path(place), method=method, rows=rows, rows_per_step=LONG_ROWS, steps=len(MOMENTS) * 2 + 1)
        for moment in MOMENTS:
            with _forked(run) as (child, pipe):
                _steps(pipe, 1)
                begun = time.time()
                _steps(pipe, 1)
                step_s = time.time() - begun
                time.sleep(moment * step_s)
                told = time.time()
                os.kill(child, signal.SIGTERM)
                said = _said(child, pipe)
            if said != "train.stopped":
                raise RuntimeError(f"the run ended with {said}")
            newest = max(file.stat().st_mtime for file in run.folder.glob("run/checkpoint-*/MANIFEST.json"))
            saved.append(max(0.0, newest - told))
            ended.append(time.time() - told)
            print(f"{method}: step of {step_s:.1f} s, checkpoint {saved[-1]:.2f} s, process gone {ended[-1]:.2f} s")
    what = f"{LONG_ROWS} rows of {LONG_TOKENS} tokens a step"
    names = (("preempt_checkpoint_s", saved), ("preempt_exit_s", ended))
    return [
        Record(
            name=f"{name}_{method}",
            value=max(values),
            unit="s",
            better="lower",
            n=len(values),
            ci=(min(values), max(values)),
            model="smollm2-135m",
            data=what,
            seed=SEED,
        )
        for name, values in names
    ]


def _digest(data: Path) -> Sequence[Record]:
    """One run that is told to stop, or killed, at a drawn moment twenty times, beside one that is not."""
    rows, drawn = banking_rows(data)[0], random.Random(SEED)
    found: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        for name, times in (("calm", 0), ("spot", TIMES)):
            folder = Path(place) / name
            folder.mkdir()
            run = _Run(folder=folder, method="lora", rows=rows, rows_per_step=2, steps=STEPS, save_every_steps=1)
            for number in range(times):
                with _forked(run) as (child, pipe):
                    _steps(pipe, 1)
                    time.sleep(drawn.random() * 0.5)
                    os.kill(child, signal.SIGTERM if number % 2 else signal.SIGKILL)
                    _said(child, pipe)
            with _forked(run) as (child, pipe):
                found.append(_said(child, pipe))
    return [
        Record(
            name="preempt_same_digest",
            value=float(found[0] == found[1] and found[0].startswith("sha256:")),
            unit="share",
            better="higher",
            n=TIMES,
            model="smollm2-135m",
            data=f"banking77, {STEPS} steps of 2 rows",
            seed=SEED,
        )
    ]


@contextmanager
def _forked(run: _Run) -> Iterator[tuple[int, int]]:
    """An attempt in a child: its process id, and a pipe of a byte a step and what came of it at the end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, run.attempt(writing).encode())
        os._exit(0)
    os.close(writing)
    try:
        yield child, reading
    finally:
        os.close(reading)


def _steps(pipe: int, count: int) -> None:
    """Wait for so many optimizer steps."""
    for _ in range(count):
        if not select.select([pipe], [], [], _wait_s)[0] or os.read(pipe, 1) != b".":
            raise RuntimeError("the run ended before it could be pre-empted")


def _said(child: int, pipe: int) -> str:
    """What an attempt gave in the end; nothing where it was killed."""
    parts = iter(partial(os.read, pipe, 4096), b"")
    text = b"".join(parts).decode().lstrip(".")
    os.waitpid(child, 0)
    return text


def _long(data: Path) -> list[Row]:
    """Worked sums one after another, more tokens than are used."""
    with gzip.open(data / "general_eval" / "gsm8k_test.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line) for line in itertools.islice(file, LONG_ROWS * 16)]
    return [
        Row(
            id=row_id([number, "long"]),
            messages=(
                Message(role="user", content="Go on."),
                Message(
                    role="assistant",
                    content="\n".join(f"{text['question']} {text['answer']}" for text in texts[number::LONG_ROWS]),
                ),
            ),
            source=Source(file="gsm8k", line=number + 1),
        )
        for number in range(LONG_ROWS)
    ]


def _views(rows: Sequence[Row], codec: Codec) -> list[list[View]]:
    """Rows as they go in, cut to the longest that is measured."""
    views = [codec.views(row) for row in rows]
    return [
        [
            View(row=view.row, turn=view.turn, ids=view.ids[:LONG_TOKENS], labels=view.labels[:LONG_TOKENS])
            for view in part
        ]
        for part in views
    ]


def _method(name: str, codec: Codec) -> Method:
    if name == "full":
        return Full()
    return Lora(config=LoraConfig(rank=16, alpha=32.0, targets=codec.card.lora_targets))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("error: which folder holds banking77?\nhint: python -m bench.tune_preempt FOLDER")
    harness.run("tune", measures(Path(sys.argv[1])))
