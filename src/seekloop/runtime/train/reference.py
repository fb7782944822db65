"""What the model thinks of answers before training: computed once, kept in the work folder, taken up after a crash."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.model.codec import View
from seekloop.runtime.train.objectives.next_token import NextToken
from seekloop.runtime.train.workers import Workers
from seekloop.system import digests, settings

__all__ = ["reference_scores"]

_chunk = 64
"""Views that are scored, and written, together: the same chunks after a crash, so the same bits."""


def reference_scores(
    model: nn.Module, views: Sequence[View], *, file: Path, tokens_per_batch: int, pad: int, ctx: RunContext
) -> list[float]:
    """The summed log-probability of the labelled tokens of each view under `model` as it is.

    Args:
        model: before a method changed it: the base, or the checkpoint that is trained on.
        views: in a fixed order.
        file: holds a line a chunk, with the digest of what it is about; lines of other views are not taken.
        tokens_per_batch: bounds memory.
        pad: id to fill micro-batches with.
        ctx: its progress shows how far it is.
    """
    known = dict(_read(file))
    found: list[float] = []
    parts = [views[begin : begin + _chunk] for begin in range(0, len(views), _chunk)]
    with (
        Workers.open(
            model,
            NextToken(),
            count=settings.threads(),
            threads=1,
            budget=tokens_per_batch,
            pad=pad,
            sharing=True,
        ) as workers,
        ctx.progress.task("reference", total=len(views)) as task,
    ):
        for part in parts:
            name = digests.of_json([[view.ids, view.labels] for view in part])
            if name not in known:
                known[name] = workers.score(part)
                _append(file, {"views": name, "log_probs": known[name]})
            found += known[name]
            task.advance(len(part))
    return found


def _read(file: Path) -> Iterator[tuple[str, list[float]]]:
    """The whole lines; one that was cut short by a crash is left out, and its chunk scored again."""
    if not file.is_file():
        return
    for line in file.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            value = json.loads(line)
            yield value["views"], value["log_probs"]


def _append(file: Path, value: dict[str, object]) -> None:
    with file.open("ab") as stream:
        # After a line that was cut short, a new one is begun.
        if stream.tell() and not _ends_line(file):
            stream.truncate(_whole_lines(file))
        stream.write(json.dumps(value).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _ends_line(file: Path) -> bool:
    return file.read_bytes().endswith(b"\n")


def _whole_lines(file: Path) -> int:
    return file.read_bytes().rfind(b"\n") + 1
