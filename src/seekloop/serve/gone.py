"""Clients that leave: what was begun for them ends with them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from fastapi import Request
from starlette.types import Receive

__all__ = ["CLIENT_GONE", "unless_gone", "watched"]

T = TypeVar("T")
CLIENT_GONE = 499
"""The status that nobody reads, as nginx has it."""


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` gives; None, with `work` cancelled, when the client closes the connection first."""
    task, gone = asyncio.current_task(), False
    assert task is not None

    def left() -> None:
        nonlocal gone
        gone = True
        task.cancel()

    # The work runs in this task: one that is made for it would cost more than what it watches for.
    with watched(request.receive, left):
        try:
            return await work
        except asyncio.CancelledError:
            # Whoever else cancelled us wants more than an end of the work.
            if not gone or task.uncancel():
                raise
            return None


@contextlib.contextmanager
def watched(receive: Receive, left: Callable[[], None]) -> Iterator[None]:
    """Call `left` if the client closes the connection before the block ends; the request's body has been read."""
    watching = asyncio.create_task(_gone(receive))

    def over(_: asyncio.Task[None]) -> None:
        left()

    watching.add_done_callback(over)
    try:
        yield
    finally:
        watching.remove_done_callback(over)
        watching.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
