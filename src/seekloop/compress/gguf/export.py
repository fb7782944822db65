"""A full or adapter checkpoint as one GGUF file, written and checked in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.compress.gguf.architectures import layout_of
from seekloop.compress.gguf.dense import routed
from seekloop.compress.gguf.file import GgufFile, Planned
from seekloop.compress.gguf.importance import Importance, measure
from seekloop.compress.gguf.layout import Layout
from seekloop.compress.gguf.recipe import choose
from seekloop.compress.gguf.spec import GgufMethod
from seekloop.compress.gguf.vocabulary import vocabulary_pairs
from seekloop.compress.method import Made, Work
from seekloop.compress.weights import Weights, open_weights
from seekloop.runtime import models
from seekloop.system.progress import Progress

__all__ = ["make", "plan", "write_gguf"]


def make(method: GgufMethod, work: Work) -> Made:
    """The GGUF form.

    Raises:
        ModelError: as `write_gguf`, or there are no calibration rows to measure importance on.
    """
    path, ctx = work.folder / "model.gguf", work.ctx
    importance = measure(work.parent, work.dataset, ctx=ctx) if method.importance else {}
    parameters = write_gguf(work.parent, path, method=method, importance=importance, ctx=ctx)
    return Made(form="gguf", precision=method.precision, parameters=parameters, read_dataset=method.importance)


def write_gguf(
    checkpoint: Checkpoint, path: Path, *, method: GgufMethod, importance: Importance, ctx: RunContext
) -> int:
    """Write `path`, compare every value in it with its source, and return how many weights it holds.

    Raises:
        ModelError: the architecture, its tokenizer or a shape has no proven export, or the check failed.
    """
    store = ctx.store
    with open_weights(checkpoint, store=store) as weights:
        layout = layout_of(weights.config)
        tensors = plan(layout, weights, method=method, progress=ctx.progress)
        pairs = _pairs(checkpoint, weights.config, store=store)
        file = GgufFile(
            layout=layout,
            weights=weights,
            tensors=tensors,
            pairs=pairs,
            precision=method.precision,
            importance=importance,
        )
        with ctx.progress.task(f"write {method.precision}", total=2 * len(tensors)) as task:
            file.write(path, task)
            task.note("checking")
            file.check(path, task)
        return sum(tensor.count for tensor in tensors if tensor.target.constant is None)


def plan(layout: Layout, weights: Weights, *, method: GgufMethod, progress: Progress) -> list[Planned]:
    """Every tensor of the file, in its order; tells of those that fall back to another format.

    Raises:
        ModelError: a tensor has no place in the architecture, or its rows do not divide into blocks.
    """
    targets = layout.targets({name: weights.shape(name) for name in weights.names})
    config = weights.config
    chosen = choose(targets, method, layers=config["num_hidden_layers"], experts=routed(config))
    fallen = Counter((one.wanted, one.stored_as) for one in chosen.values() if one.wanted != one.stored_as)
    for (wanted, stored_as), count in sorted(fallen.items()):
        progress.say(f"{count} tensors as {stored_as}: their rows do not divide into the blocks of 256 of {wanted}")
    planned = [Planned(target=target, stored_as=chosen[target.name].stored_as) for target in targets]
    return sorted(planned, key=_order)


def _pairs(checkpoint: Checkpoint, config: Mapping[str, Any], *, store: Store) -> dict[str, Any]:
    codec = models.codec_of(checkpoint, store=store)
    return {
        "general.type": "model",
        "general.name": f"{checkpoint.family} {checkpoint.id.rpartition(':')[2][:12]}",
        "seekloop.checkpoint": checkpoint.id,
        **vocabulary_pairs(codec, store.folder(checkpoint.id), size=config["vocab_size"]),
    }


def _order(tensor: Planned) -> tuple[int, str]:
    """Tables and norms first, then layer by layer, as the model reads them."""
    first, _, rest = tensor.name.partition(".")
    number, _, part = rest.partition(".")
    return (int(number), part) if first == "blk" else (-1, tensor.name)
