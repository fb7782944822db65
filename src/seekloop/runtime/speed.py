"""How fast this machine multiplies matrices the way training does: a worker a core, one thread each, through oneDNN."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import torch

from seekloop.runtime.linear import product

__all__ = ["product_speed"]

_rows, _inputs, _outputs = 256, 576, 1536
_times = 12


def product_speed(workers: int) -> float:
    """Operations a second of float32 products of [256, 576] and [576, 1536], all workers together, now.

    Args:
        workers: threads that multiply at one time.
    """
    x, weight = torch.ones(_rows, _inputs), torch.ones(_outputs, _inputs)

    def work() -> None:
        for _ in range(_times):
            product(x, weight)

    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for first in [pool.submit(work) for _ in range(workers)]:
            first.result()
        started = time.perf_counter()
        for again in [pool.submit(work) for _ in range(workers)]:
            again.result()
        seconds = time.perf_counter() - started
    return 2.0 * _rows * _inputs * _outputs * _times * workers / seconds
