"""What a checkpoint was trained on: the datasets of its parents, and their train rows, one at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Row, epoch_file, read_rows
from seekloop.artifact.store import Store

__all__ = ["all_rows", "datasets", "train_rows", "tuned"]

_roles = ("parent", "checkpoint", "base")
"""Under which a checkpoint names the checkpoint that it came from."""


def datasets(checkpoint: Checkpoint, *, store: Store) -> list[Dataset]:
    """Those that it and the checkpoints before it were tuned on, the newest first; empty for a base.

    Raises:
        ArtifactError: one of them is not in the store.
    """
    found: dict[str, Dataset] = {}
    for one in _line(checkpoint, store=store):
        identity = one.parents.get("dataset")
        if identity is not None and one.made_by.stage not in _others and identity not in found:
            found[identity] = store.open(identity, Dataset)
    return list(found.values())


def tuned(checkpoint: Checkpoint, *, store: Store) -> Checkpoint | None:
    """The newest checkpoint in the line that training left and that torch runs; None: there is none, as for a base.

    Raises:
        ArtifactError: one of them is not in the store.
    """
    for one in _line(checkpoint, store=store):
        if one.form in ("full", "adapter") and one.made_by.stage not in _others and "dataset" in one.parents:
            return one
    return None


def all_rows(dataset: Dataset, *, store: Store) -> Iterator[Row]:
    """The rows of a dataset that were kept, of every split, the held out ones first."""
    for split in ("test", "validation"):
        yield from read_rows(store.path(dataset.id, f"{split}.jsonl"))
    yield from train_rows(dataset, store=store)


def train_rows(dataset: Dataset, *, store: Store) -> Iterator[Row]:
    """The train rows of a dataset, and those in other words that later epochs see."""
    yield from read_rows(store.path(dataset.id, "train.jsonl"))
    for number in itertools.count(2):
        if epoch_file(number) not in dataset.files:
            return
        yield from read_rows(store.path(dataset.id, epoch_file(number)))


_others = ("compress",)
"""Stages that take rows to calibrate, and train nothing."""


def _line(checkpoint: Checkpoint, *, store: Store) -> Iterator[Checkpoint]:
    """The checkpoint and those before it, each once, breadth first."""
    waiting, seen = [checkpoint], {checkpoint.id}
    while waiting:
        one = waiting.pop(0)
        yield one
        for role in _roles:
            identity = one.parents.get(role)
            if identity is not None and identity not in seen:
                seen.add(identity)
                waiting.append(store.open(identity, Checkpoint))
