"""Calibration rows as batches of ids, from the dataset's own calibration split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.store import Store
from seekloop.compress.calibration import calibration_ids
from seekloop.compress.packed.spec import CalibrationSpec
from seekloop.model.codec import Codec

__all__ = ["Sample", "calibration_batches"]

_batch = 2048
"""Padded tokens that are in the model at one time."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Rows of similar length, padded at the end: under causal attention no token of a row sees that."""

    ids: Tensor
    """[rows, length]."""
    real: Tensor
    """[rows, length], whether a place holds a token of its row."""


def calibration_batches(
    dataset: Dataset | None, spec: CalibrationSpec, *, codec: Codec, store: Store, method: str
) -> list[Sample]:
    """The rows that calibration looks at, shortest first; always the same for the same dataset.

    Raises:
        DataError: there is no dataset, or its calibration split is empty or missing.
    """
    ids = list(calibration_ids(dataset, codec=codec, store=store, method=method, at_most=spec.rows))
    return [_sample(part, pad=codec.pad_id) for part in _parts(sorted((row[: spec.tokens] for row in ids), key=len))]


def _parts(rows: list[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    """Rows, shortest first, cut where a batch would be too large."""
    part: list[tuple[int, ...]] = []
    for row in rows:
        if part and (len(part) + 1) * len(row) > _batch:
            yield part
            part = []
        part.append(row)
    yield part


def _sample(rows: list[tuple[int, ...]], *, pad: int) -> Sample:
    length = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (length - len(row))] for row in rows])
    real = torch.arange(length) < torch.tensor([len(row) for row in rows]).unsqueeze(1)
    return Sample(ids=ids, real=real)
