"""Several replies of one request: all of them, or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from seekloop.model.codec import Delta
from seekloop.serve.reply import Reply

__all__ = ["cached_tokens", "cancel", "deltas_of", "each_of"]


async def each_of(asked: Sequence[Callable[[], Awaitable[Reply]]], *, whole: bool) -> list[Reply]:
    """Accept one after the other; where one is refused or fails, or nobody waits any more, all are cancelled.

    Args:
        asked: makes each reply.
        whole: wait until all are complete and durable.
    """
    replies: list[Reply] = []
    try:
        for ask in asked:
            replies.append(await ask())
        # The headers name the release that answers, so they wait until no other can take its place.
        waits = [reply.whole() if whole else reply.settled() for reply in replies]
        await (waits[0] if len(waits) == 1 else asyncio.gather(*waits))
    except BaseException:
        cancel(replies)
        raise
    return replies


async def deltas_of(replies: Sequence[Reply]) -> AsyncGenerator[tuple[int, Delta | None], None]:
    """The text of all as it comes: (place of the reply, delta), and (place, None) once that one is durable.

    Raises:
        EngineError: the engine died under one.
        LedgerError: one could not be recorded.
    """
    if len(replies) == 1:
        async for delta in replies[0].deltas():
            yield 0, delta
        yield 0, None
        return
    box: asyncio.Queue[tuple[int, Delta | None] | BaseException] = asyncio.Queue()

    async def listen(place: int, reply: Reply) -> None:
        try:
            async for delta in reply.deltas():
                box.put_nowait((place, delta))
            box.put_nowait((place, None))
        except BaseException as error:
            box.put_nowait(error)
            raise

    listening = [asyncio.create_task(listen(place, reply)) for place, reply in enumerate(replies)]
    left = len(replies)
    try:
        while left:
            heard = await box.get()
            if isinstance(heard, BaseException):
                raise heard
            left -= heard[1] is None
            yield heard
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


def cached_tokens(replies: Sequence[Reply]) -> int | None:
    """Of all their prompts' tokens, those that upstreams had read before; None: nobody tells."""
    told = [reply.cached_tokens for reply in replies if reply.cached_tokens is not None]
    return sum(told) if told else None


def cancel(replies: Sequence[Reply]) -> None:
    """Stop generating all of them."""
    for reply in replies:
        reply.cancel()
