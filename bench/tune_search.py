"""Three samplers on the same budget: the loss of the best of so many trials, over seeds, on the same space and rows.

`python -m bench.tune_search DATA [BASE] [SEEDS] [TRIALS]`. A trial is trained once, whichever sampler asks for it, so
each sampler pays in trials, not in minutes, and more seeds cost little: the space has 144 places. On `tiny` it takes
minutes, on `smollm2-135m` some forty.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.harness import Record, median_record
from seekloop import data as room
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.loop.search.run import TRIALS, search
from seekloop.loop.search.spec import SearchSpec
from seekloop.runtime.bases import open_base
from seekloop.system.progress import Silent
from seekloop.tune.spec import TuneInputs

__all__ = ["SAMPLERS", "measures"]

SAMPLERS = ("random", "tpe", "reinforce")
SPACE = {
    "ranks": [2, 4, 8, 16],
    "rate_factors": [0.125, 0.5, 1, 2, 8, 32],
    "epochs": [1, 2, 4],
    "rows_per_step": [4, 8],
}
ROWS = 32


def measures(
    folder: Path, base: str = "tiny", *, seeds: int = 5, trials: int = 12
) -> list[Callable[[], Sequence[Record]]]:
    """The median over seeds of each sampler's best loss; the peer of the two that learn is random search."""
    return [lambda: _records(folder, base, seeds=seeds, trials=trials)]


def _records(folder: Path, base: str, *, seeds: int, trials: int) -> list[Record]:
    with (
        tempfile.TemporaryDirectory(prefix="seekloop-search-") as place,
        RunContext.in_folder(Path(place), seed=7, progress=Silent()) as ctx,
    ):
        inputs = TuneInputs(dataset=_dataset(folder, ctx=ctx), checkpoint=open_base(base, ctx=ctx))
        best = {
            name: [_best(name, seed, trials=trials, inputs=inputs, ctx=ctx) for seed in range(seeds)]
            for name in SAMPLERS
        }
    return [
        median_record(
            f"search_best_loss_{name}",
            losses,
            unit="nats a token",
            better="lower",
            model=base,
            data=f"alpaca_en_demo, {ROWS} rows, {trials} trials; all: {', '.join(f'{one:.4f}' for one in losses)}",
            seed=7,
        )
        for name, losses in best.items()
    ]


def _best(name: str, seed: int, *, trials: int, inputs: TuneInputs, ctx: RunContext) -> float:
    """The lowest loss among a search's trials, each trained in full."""
    spec = SearchSpec.parse({"sampler": name, "space": SPACE, "trials": trials, "minutes": 600, "rungs": 1})
    # The order of rows stays that of the context's seed, so that trials are shared; the sampler has its own.
    search(spec, inputs, ctx=replace(ctx, work=ctx.work / f"{name}-{seed}"), seed=seed)
    (path,) = (ctx.work / f"{name}-{seed}").glob(f"search-*/{TRIALS}")
    found = json.loads(path.read_text("utf-8"))
    return min(float(trial["losses"][-1]) for trial in found["trials"] if trial["losses"])


def _dataset(folder: Path, *, ctx: RunContext) -> Dataset:
    with gzip.open(folder / "llamafactory_demo" / "alpaca_en_demo.json.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in json.load(file) if len(row["instruction"] + row["input"] + row["output"]) < 300]
    path = ctx.root / "rows.json"
    path.write_text(json.dumps(rows[:ROWS]), "utf-8")
    spec = room.DataSpec.parse({"sources": [{"path": str(path)}], "split": {"validation": 0.25}})
    return room.run(spec, room.DataInputs(), ctx=ctx)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(
            "error: which folder holds the data?\nhint: python -m bench.tune_search FOLDER [BASE] [SEEDS] [TRIALS]"
        )
    from bench import harness

    base, seeds, trials = (*sys.argv[2:5], *("tiny", "5", "12")[len(sys.argv) - 2 :])
    harness.run("tune", measures(Path(sys.argv[1]), base, seeds=int(seeds), trials=int(trials)))
