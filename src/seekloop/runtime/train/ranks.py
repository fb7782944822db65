"""Several processes at one run: each computes its share of a step, gradients are summed, the first one writes.

They are started by `torchrun` or `accelerate launch` and meet over gloo. All of them hold the same weights and take the
same decisions: whatever steers the run is agreed on before anyone acts on it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as group
from torch import Tensor

from seekloop.system import settings
from seekloop.system.errors import TrainError

__all__ = ["Ranks"]

_patience = timedelta(minutes=30)
"""What one process waits for the others: the first one writes checkpoints and answers validation rows meanwhile."""
_bucket = 2**24
"""Gradients (64 MiB) that are sent at a time."""

Item = TypeVar("Item")


class Ranks:
    """This process among the processes of the run. `Ranks()` is alone, and then nothing here does anything.

    Every method but `share` is called by all processes in the same order, or they wait for each other.

    Args:
        rank: of this process, from 0.
        count: of processes.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    @classmethod
    @contextlib.contextmanager
    def open(cls) -> Iterator[Ranks]:
        """Meet the processes that this one was started with, until the end of the block.

        Raises:
            TrainError: they do not come, or one of them is gone in the middle of the block.
        """
        launch = settings.launch()
        if launch.processes == 1:
            yield cls()
            return
        with _losses_are_sentences(launch.rank, launch.processes):
            group.init_process_group("gloo", timeout=_patience)
        try:
            yield cls(launch.rank, launch.processes)
        finally:
            group.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def share(self, parts: Sequence[Item], *, each: int) -> Sequence[Item]:
        """The `each` of `parts` that are this process's."""
        return parts[self.rank * each : (self.rank + 1) * each]

    def add(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes, in double precision."""
        if self.count == 1:
            return list(values)
        found = torch.tensor(values, dtype=torch.float64)
        self._reduce(found)
        sums: list[float] = found.tolist()
        return sums

    def add_gradients(self, grads: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor | None]:
        """Sums over all processes; what no process has stays None.

        Args:
            grads: one for each parameter; None where the loss of this process's share does not depend on it.
            like: the parameters.
        """
        if self.count == 1:
            return list(grads)
        there = self.add([float(grad is not None) for grad in grads])
        result: list[Tensor | None] = list(grads)
        wanted = [index for index, number in enumerate(there) if number]
        for bucket in _buckets(wanted, [value.numel() for value in like]):
            parts = [_or_zeros(grads[index], like[index]).reshape(-1) for index in bucket]
            flat = torch.cat(parts)
            self._reduce(flat)
            for index, total in zip(bucket, flat.split([part.numel() for part in parts]), strict=True):
                result[index] = total.view_as(like[index])
        return result

    def any(self, value: bool) -> bool:
        """Whether it is so in any process."""
        return bool(self.add([float(value)])[0])

    def smallest(self, value: int) -> int:
        """The smallest value that any process has."""
        return int(min(self.add([float(value) if rank == self.rank else 0.0 for rank in range(self.count)])))

    @contextlib.contextmanager
    def in_turn(self) -> Iterator[None]:
        """The block is done by the first process, and then by the others, who find what it left on disk."""
        if not self.first:
            self.any(False)
        yield
        if self.first:
            self.any(False)

    def of_first(self, value: float) -> float:
        """The value that the first process has."""
        return self.add([value if self.first else 0.0])[0]

    def text_of_first(self, text: str) -> str:
        """The text that the first process has; those of the others do not matter."""
        if self.count == 1:
            return text
        size = int(self.of_first(len(text.encode())))
        found = torch.zeros(size, dtype=torch.uint8)
        if self.first:
            found.copy_(torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8))
        self._reduce(found)
        return bytes(found.tolist()).decode()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Leave the block together: where it fails in one process, it fails in all.

        Raises:
            TrainError: what this process raised, or that another one ended the run.
        """
        own: TrainError | None = None
        try:
            yield
        except TrainError as error:
            if self.count == 1:
                raise
            own = error
        if self.count == 1:
            return
        failed = self.add([float(own is not None and rank == self.rank) for rank in range(self.count)])
        if own is not None:
            raise own
        if any(failed):
            raise TrainError("train.rank_ended", rank=failed.index(1.0), count=self.count)

    def _reduce(self, values: Tensor) -> None:
        with _losses_are_sentences(self.rank, self.count):
            group.all_reduce(values)


def _or_zeros(grad: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if grad is None else grad


def _buckets(indices: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """`indices` in order, in pieces of about `_bucket` numbers."""
    piece: list[int] = []
    held = 0
    for index in indices:
        piece.append(index)
        held += sizes[index]
        if held >= _bucket:
            yield piece
            piece, held = [], 0
    if piece:
        yield piece


@contextlib.contextmanager
def _losses_are_sentences(rank: int, count: int) -> Iterator[None]:
    """A process that is gone is an error of the transport to the others."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise TrainError("train.rank_lost", rank=rank, count=count, reason=reason) from error
