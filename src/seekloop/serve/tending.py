"""Looking after workers: what the loops of the gateway do with one that fails or is no longer needed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from seekloop.serve.worker import Worker
from seekloop.system.errors import SeekloopError

__all__ = ["outcome", "retire", "words"]


async def retire(worker: Worker) -> None:
    """Close a worker once its last request has gone."""
    try:
        await worker.unused()
    finally:
        await worker.close()


async def outcome(work: Coroutine[Any, Any, Any]) -> BaseException | None:
    """The exception that `work` ended with. Whatever goes wrong with one release, the loop that asks goes on."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
    return task.exception()


def words(error: BaseException) -> str:
    """What went wrong, in one sentence."""
    return error.sentence() if isinstance(error, SeekloopError) else f"{type(error).__name__}: {error}"
