"""Trained for four bits beside trained and then stored in four bits, on ten intents of Banking77.

`python -m bench.compress_qat FOLDER` measures; FOLDER holds `banking77/`. Three runs of LoRA see the same rows, steps
and seed: plain; for Q4_0; for Q4_1, which is the grid that the embedded base was published on. The answer loss is what
the right answer of a test row costs in nats, summed over its tokens. Forms are GGUF files read back value by value into
torch, so that nothing but the rounding differs; a file must hold what was trained, to the bit.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from torch import nn

from bench import harness
from bench.harness import Record
from bench.tune_methods import INTENTS, ROWS_PER_INTENT, SEED, banking_rows, dataset_of
from seekloop import compress, tune
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Row, read_rows
from seekloop.compress.gguf.architectures import layout_of
from seekloop.compress.gguf.layout import Piece
from seekloop.model.codec import Codec, View
from seekloop.runtime import models
from seekloop.runtime.bases import open_base
from seekloop.runtime.train.batching import collate
from seekloop.runtime.train.loss import summed_loss
from seekloop.system.errors import SeekloopError

__all__ = ["measures"]

_draws = 2000
_likely = math.log(2)
"""An answer that costs less is likelier than all others together."""


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """One measure: the runs share a model."""
    return [partial(_measure, data)]


def _measure(data: Path) -> Sequence[Record]:
    with tempfile.TemporaryDirectory() as folder, RunContext.in_folder(Path(folder), seed=SEED) as ctx:
        base, dataset = open_base("smollm2-135m", ctx=ctx), dataset_of(banking_rows(data), ctx=ctx)
        made = {name: _tuned(base, dataset, name, ctx=ctx) for name in ("plain", "q4_0", "q4_1")}
        rows = list(read_rows(ctx.store.path(dataset.id, "test.jsonl")))
        codec = models.codec_of(base, store=ctx.store)
        plain = models.load(made["plain"], store=ctx.store)
        found = {"tuned": _losses(plain, codec, rows)}
        for name, checkpoint, precision in (
            ("tuned_then_q4_0", made["plain"], "q4_0"),
            ("trained_for_q4_0", made["q4_0"], "q4_0"),
            ("trained_for_q4_1", made["q4_1"], "q4_1"),
        ):
            found[name] = _losses(_stored(checkpoint, precision, ctx=ctx), codec, rows)
        refused = _refused(made["plain"], ctx=ctx)
        seconds = {name: ctx.store.receipt(one.id).cost["train_s"] for name, one in made.items()}
    return _records(found, refused=refused, slower=seconds["q4_0"] / seconds["plain"])


def _tuned(base: Checkpoint, dataset: Dataset, target: str, *, ctx: RunContext) -> Checkpoint:
    told: dict[str, Any] = {} if target == "plain" else {"quantise_for": target}
    spec = tune.TuneSpec.parse({"method": {"type": "lora"}, **told})
    return tune.run(spec, tune.TuneInputs(dataset=dataset, checkpoint=base), ctx=ctx)


def _gguf(checkpoint: Checkpoint, precision: str, *, ctx: RunContext) -> Checkpoint:
    spec = compress.CompressSpec.parse({"method": {"type": "gguf", "precision": precision}})
    return compress.run(spec, compress.CompressInputs(checkpoint=checkpoint), ctx=ctx)


def _refused(checkpoint: Checkpoint, *, ctx: RunContext) -> bool:
    """Whether a plain adapter is lost on the grid of its base."""
    try:
        _gguf(checkpoint, "q4_1", ctx=ctx)
    except SeekloopError as error:
        return error.code == "compress.adapter_lost"
    return False


def _stored(checkpoint: Checkpoint, precision: str, *, ctx: RunContext) -> nn.Module:
    """The model whose weights are those of the file; where it was trained for that, they must be what was trained."""
    form = _gguf(checkpoint, precision, ctx=ctx)
    model = models.load(models.base_of(checkpoint, ctx.store), store=ctx.store)
    trained = models.load(checkpoint, store=ctx.store)
    own = {} if any("lora_" in name for name in trained.state_dict()) else trained.state_dict()
    values = _values(ctx.store.path(form.id, "model.gguf"), model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            value = torch.from_numpy(values[name])
            if own and not torch.equal(value, own[name]):
                raise AssertionError(f"{name} of {form.id} is not what was trained")
            parameter.copy_(value)
    return model


def _values(path: Path, model: nn.Module) -> Mapping[str, np.ndarray[Any, Any]]:
    """The file's values under the model's names, rows in the model's order."""
    found = {
        str(one.name): dequantize(one.data, one.tensor_type).reshape([int(size) for size in reversed(one.shape)])
        for one in GGUFReader(path).tensors
    }
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    targets = layout_of(model.config.to_dict()).targets(shapes)
    return {one.pieces[0].source: _unplaced(one.pieces[0], found[one.name]) for one in targets if one.pieces}


def _unplaced(piece: Piece, value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if value.ndim < 2:
        return value.copy()
    numbers = np.broadcast_to(np.arange(len(value), dtype=np.float32)[:, None], value.shape)
    result = np.empty_like(value)
    result[piece.take(numbers)[:, 0].astype(int)] = value
    return result


def _losses(model: nn.Module, codec: Codec, rows: Sequence[Row]) -> list[float]:
    """Nats of each row's answer."""
    with torch.no_grad():
        return [math.fsum(_loss(model, view, pad=codec.pad_id) for view in codec.views(row)) for row in rows]


def _loss(model: nn.Module, view: View, *, pad: int) -> float:
    return float(summed_loss(model, collate([view], pad=pad, sharing=False)).item())


def _records(found: Mapping[str, Sequence[float]], *, refused: bool, slower: float) -> list[Record]:
    n = len(found["tuned"])
    facts: dict[str, Any] = {
        "model": "smollm2-135m",
        "data": f"banking77, first {INTENTS} intents by name x {ROWS_PER_INTENT} rows; likelihood of the right answer",
        "seed": SEED,
    }
    records = []
    for name, losses in found.items():
        likely = sum(loss < _likely for loss in losses)
        more: dict[str, Any] = {"n": n, **facts}
        interval = harness.wilson(likely, n)
        records += [
            Record(name=f"qat_{name}_share", value=likely / n, unit="share", better="higher", ci=interval, **more),
            Record(name=f"qat_{name}_nats", value=statistics.fmean(losses), unit="nats", better="lower", **more),
        ]
    three = ("tuned", "tuned_then_q4_0", "trained_for_q4_0")
    columns = [found[name] for name in three]
    right = [[float(loss < _likely) for loss in column] for column in columns]
    return [
        *records,
        Record(name="qat_recovery", unit="ratio", better="higher", n=n, **_recovery(columns), **facts),
        Record(name="qat_recovery_share_right", unit="ratio", better="higher", n=n, **_recovery(right), **facts),
        Record(name="qat_plain_q4_1_refused", value=float(refused), unit="yes", better="higher", n=1, **facts),
        Record(name="qat_step_slowdown", value=slower, unit="times", better="lower", n=1, **facts),
    ]


def _recovery(columns: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Share of what storing cost that training for it saves, with a paired percentile interval over rows."""
    whole, stored, trained = columns
    generator, n = random.Random(SEED), len(whole)

    def share(rows: Sequence[int]) -> float:
        cost = sum(stored[row] - whole[row] for row in rows)
        return sum(stored[row] - trained[row] for row in rows) / cost if cost else math.nan

    draws = [share([generator.randrange(n) for _ in range(n)]) for _ in range(_draws)]
    known = sorted(value for value in draws if not math.isnan(value))
    low, high = (known[round(at * (len(known) - 1))] for at in (0.025, 0.975))
    return {"value": share(range(n)), "ci": (low, high)}


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("error: which folder holds the public data sets?\nhint: python -m bench.compress_qat FOLDER")
    harness.run("compress", measures(Path(sys.argv[1])))
