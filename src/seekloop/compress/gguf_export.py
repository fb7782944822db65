"""A full or adapter checkpoint as one GGUF file, written and checked in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.compress.gguf_file import GgufFile, plan
from seekloop.compress.gguf_layout import Layout, layout_of
from seekloop.compress.gguf_vocabulary import vocabulary_pairs
from seekloop.compress.method import Made, Work
from seekloop.compress.spec import GgufMethod, Precision
from seekloop.compress.weights import open_weights
from seekloop.runtime import models
from seekloop.system.progress import Progress

__all__ = ["make", "write_gguf"]


def make(method: GgufMethod, work: Work) -> Made:
    """The GGUF form.

    Raises:
        ModelError: as `write_gguf`.
    """
    path, ctx = work.folder / "model.gguf", work.ctx
    parameters = write_gguf(work.parent, path, method=method, store=ctx.store, progress=ctx.progress)
    return Made(form="gguf", precision=method.precision, parameters=parameters)


def write_gguf(checkpoint: Checkpoint, path: Path, *, method: GgufMethod, store: Store, progress: Progress) -> int:
    """Write `path`, compare every value in it with its source, and return how many weights it holds.

    Raises:
        ModelError: the architecture, its tokenizer or a shape has no proven export, or the check failed.
    """
    with open_weights(checkpoint, store=store) as weights:
        layout = layout_of(weights.config)
        embedding = method.embedding or _embedding(method.precision)
        tensors = plan(layout, weights, precision=method.precision, embedding=embedding)
        pairs = _pairs(checkpoint, layout, store=store)
        file = GgufFile(layout=layout, weights=weights, tensors=tensors, pairs=pairs, precision=method.precision)
        with progress.task(f"write {method.precision}", total=2 * len(tensors)) as task:
            file.write(path, task)
            task.note("checking")
            file.check(path, task)
        return sum(tensor.count for tensor in tensors if tensor.source is not None)


def _embedding(precision: Precision) -> Precision:
    return "q8_0" if precision in ("q4_0", "q4_1") else precision


def _pairs(checkpoint: Checkpoint, layout: Layout, *, store: Store) -> dict[str, Any]:
    codec = models.codec_of(checkpoint, store=store)
    return {
        "general.type": "model",
        "general.name": f"{checkpoint.family} {checkpoint.id.rpartition(':')[2][:12]}",
        "seekloop.checkpoint": checkpoint.id,
        **vocabulary_pairs(codec, store.folder(checkpoint.id), size=layout.config["vocab_size"]),
    }
