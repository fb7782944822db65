"""Last four layers of SmolLM2-135M: how much faster later epochs are than the first, the trunk's states being kept.

`python -m bench.tune_trunk FOLDER` measures it alone; FOLDER holds
`banking77/` and `general_eval/`.
"""

from __future__ import annotations

import gzip
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from bench import harness
from bench.harness import Record
from bench.tune_methods import INTENTS, ROWS_PER_INTENT, SEED, banking_rows
from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Message, Row, Source, row_id
from seekloop.runtime import models
from seekloop.runtime.bases import open_base
from seekloop.runtime.train.batching import StepPlan
from seekloop.runtime.train.loop import LoopConfig, train
from seekloop.runtime.train.methods.layers import LastLayers
from seekloop.runtime.train.state import State, Work
from seekloop.runtime.train.trunk import TrunkDecoder
from seekloop.system.progress import Silent

__all__ = ["measures", "plain_loop"]

EPOCHS, LAST, SUMS = 4, 4, 96


@dataclass(frozen=True, kw_only=True)
class _Uncut(LastLayers):
    """Trains the same layers, and keeps nothing."""

    def apply(self, model: nn.Module, *, seed: int) -> None:
        """As ever; then the decoder is put back."""
        super().apply(model, seed=seed)
        trunk = model.get_decoder()
        if isinstance(trunk, TrunkDecoder):
            model.register_module("model", trunk.frozen)


@dataclass
class _Stopwatch(Silent):
    """When each optimizer step was done."""

    marks: list[float] = field(default_factory=list)

    @contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[_Stopwatch]:
        """The watch itself; only steps are marked."""
        yield self

    def advance(self, amount: float = 1.0) -> None:
        """Nothing: a step ends with its note."""

    def note(self, text: str) -> None:
        """A step was done."""
        self.marks.append(time.perf_counter())


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The speed of later epochs, and that nothing else differs, for short questions and for longer ones."""
    intents, _ = banking_rows(data)
    return [
        partial(_measure, "", intents, f"banking77, {INTENTS} intents x {ROWS_PER_INTENT} rows"),
        partial(_measure, "_longer", _sums(data), f"gsm8k, {SUMS} questions, the number alone as answer"),
        partial(
            _measure,
            "_longer_32_rows",
            _sums(data),
            f"gsm8k, {SUMS} questions, the number alone as answer, 32 rows a step",
            rows_per_step=32,
        ),
    ]


def _sums(data: Path) -> list[Row]:
    """Questions of some seventy tokens whose answer is one number."""
    with gzip.open(data / "general_eval" / "gsm8k_test.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in itertools.islice(file, SUMS)]
    return [
        Row(
            id=row_id([number, "gsm8k"]),
            messages=(
                Message(role="user", content=line["question"]),
                Message(role="assistant", content=line["answer"].rpartition("#### ")[2]),
            ),
            source=Source(file="gsm8k", line=number + 1),
        )
        for number, line in enumerate(lines)
    ]


def _measure(suffix: str, rows: Sequence[Row], what: str, *, rows_per_step: int = 8) -> Sequence[Record]:
    kept, seconds = _run(rows, LastLayers(last=LAST), epochs=EPOCHS, rows_per_step=rows_per_step)
    plain, whole = _run(rows, _Uncut(last=LAST), epochs=1, rows_per_step=rows_per_step)
    later = seconds[1:]
    ratios = [seconds[0] / each for each in later]
    steps = zip(_losses(kept), _losses(plain), strict=False)
    facts: dict[str, Any] = {"model": "smollm2-135m", "data": what, "seed": SEED}
    print("seconds of each epoch:", *(f"{each:.1f}" for each in seconds))
    return [
        Record(
            name=f"trunk_cache_speedup{suffix}",
            value=seconds[0] / statistics.median(later),
            unit="times",
            better="higher",
            n=len(later),
            ci=(min(ratios), max(ratios)),
            **facts,
        ),
        Record(
            name=f"trunk_cache_speedup_of_uncached{suffix}",
            value=whole[0] / statistics.median(later),
            unit="times",
            better="higher",
            n=len(later),
            ci=(whole[0] / max(later), whole[0] / min(later)),
            **facts,
        ),
        Record(
            name=f"trunk_cache_loss_max_delta{suffix}",
            value=max(abs(one - other) for one, other in steps),
            unit="nats",
            better="lower",
            n=len(_losses(plain)),
            **facts,
        ),
    ]


def _losses(state: State) -> list[float]:
    return [entry["loss"] for entry in state.history if "loss" in entry]


def _run(rows: Sequence[Row], method: LastLayers, *, epochs: int, rows_per_step: int) -> tuple[State, list[float]]:
    """Train; the seconds of each epoch, the first with what it takes to compute the trunk."""
    watch = _Stopwatch()
    with tempfile.TemporaryDirectory() as folder, RunContext.in_folder(Path(folder), seed=SEED, progress=watch) as ctx:
        base = open_base("smollm2-135m", ctx=ctx)
        codec = models.codec_of(base, store=ctx.store)
        plan = StepPlan(
            rows=[codec.views(row) for row in rows],
            rows_per_step=rows_per_step,
            epochs=epochs,
            max_steps=None,
            seed=SEED,
        )
        model = models.load(base, store=ctx.store)
        begin = time.perf_counter()
        config = plain_loop(codec.pad_id)
        state = train(model, method, plan=plan, config=config, validation=[], work=Work(ctx.work), ctx=ctx)
    ends = [begin, *watch.marks[plan.steps_per_epoch - 1 :: plan.steps_per_epoch]]
    return state, [after - before for before, after in itertools.pairwise(ends)]


def plain_loop(pad: int, *, save_every_steps: int | None = None) -> LoopConfig:
    """The loop at a constant rate, without decay or warm-up."""
    return LoopConfig(
        learning_rate=1e-4,
        schedule="constant",
        warmup=0.0,
        weight_decay=0.0,
        max_grad_norm=1.0,
        tokens_per_batch=1024,
        pad=pad,
        save_every_steps=save_every_steps,
        save_every_s=1e9,
    )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("error: which folder holds banking77?\nhint: python -m bench.tune_trunk FOLDER")
    harness.run("tune", measures(Path(sys.argv[1])))
