"""Turns a blocking backend into an awaited one, and an awaited one into a blocking one."""

from __future__ import annotations

import asyncio
import functools
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from seekloop.runtime.generate.backend import Backend, Chance, Completion, Prompt, Token
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.collect import Collector
from seekloop.system.clock import Clock, SystemClock

__all__ = ["Awaited", "Blocking"]

ResultT = TypeVar("ResultT")
_grace_s = 2.0
"""How long the streams of a closed backend may take to notice."""


class Awaited:
    """A blocking backend, awaited: each stream runs on a thread of its own.

    Args:
        backend: what generates; closed with this.
        streams: streams that run at the same time; more of them wait.
    """

    def __init__(self, backend: Backend, *, streams: int) -> None:
        self.name = backend.name
        self.abilities = backend.abilities
        self._backend = backend
        self._pool = ThreadPoolExecutor(max_workers=streams, thread_name_prefix="generate")
        self._closed = False

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Token, None]:
        """Tokens as they come; `aclose` stops the thread at its next token."""
        loop = asyncio.get_running_loop()
        tokens: asyncio.Queue[Token | None] = asyncio.Queue()
        cancelled = threading.Event()

        def work() -> None:
            for token in self._backend.stream(prompt):
                if cancelled.is_set():
                    return
                loop.call_soon_threadsafe(tokens.put_nowait, token)

        task = loop.run_in_executor(self._pool, work)
        task.add_done_callback(lambda _: tokens.put_nowait(None))
        try:
            while (token := await tokens.get()) is not None:
                yield token
            await task
        finally:
            cancelled.set()
            task.cancel()

    async def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """As the blocking backend; a pass that has begun ends even where nobody waits any more."""
        work = functools.partial(self._backend.read, ids, top=top)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def among(self, ids: Sequence[int], *, allowed: bytes, most: int) -> tuple[tuple[int, float], ...]:
        """As the blocking backend."""
        work = functools.partial(self._backend.among, ids, allowed=allowed, most=most)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def embed(self, ids: Sequence[int]) -> tuple[float, ...]:
        """As the blocking backend."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._backend.embed, ids)

    def alive(self) -> bool:
        """Whether it is open: a backend in this process does not die alone."""
        return not self._closed

    async def probe(self) -> None:
        """Nothing to ask: the backend runs in this process."""

    async def close(self) -> None:
        """Wait for the running streams' next tokens and free the weights."""
        self._closed = True
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._backend.close)


class Blocking:
    """An awaited backend, blocking: its event loop runs on one thread of its own.

    Args:
        backend: what generates; closed with this.
        streams: prompts that `generate` keeps going at the same time.
        clock: measures completions.
    """

    def __init__(self, backend: AsyncBackend, *, streams: int, clock: Clock | None = None) -> None:
        self.name = backend.name
        self.abilities = backend.abilities
        self._backend = backend
        self._streams = streams
        self._clock = clock or SystemClock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="generate", daemon=True)
        self._thread.start()

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Completion]]:
        """Answer all prompts, `streams` at a time; closing the iterator cancels the rest.

        Raises:
            EngineError: a prompt does not fit, or the engine broke.
        """
        return self._pumped(lambda put: self._answer_all(prompts, put))

    def stream(self, prompt: Prompt) -> Generator[Token, None, None]:
        """Answer one prompt token by token.

        Raises:
            EngineError: the prompt does not fit, or the engine broke.
        """
        return self._pumped(lambda put: self._answer(prompt, put))

    def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """As the awaited backend."""
        return self.run(self._backend.read(ids, top=top))

    def among(self, ids: Sequence[int], *, allowed: bytes, most: int) -> tuple[tuple[int, float], ...]:
        """As the awaited backend."""
        return self.run(self._backend.among(ids, allowed=allowed, most=most))

    def embed(self, ids: Sequence[int]) -> tuple[float, ...]:
        """As the awaited backend."""
        return self.run(self._backend.embed(ids))

    def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """What `work`, which uses the awaited backend, comes to on its event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Close the awaited backend and end the thread; whoever still waits for an answer gets an error."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        """The backend itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    async def _end(self) -> None:
        await self._backend.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            _, hanging = await asyncio.wait(tasks, timeout=_grace_s)
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    async def _answer(self, prompt: Prompt, put: Callable[[Token], None]) -> None:
        tokens = self._backend.stream(prompt)
        try:
            async for token in tokens:
                put(token)
        finally:
            await tokens.aclose()

    async def _answer_all(self, prompts: Sequence[Prompt], put: Callable[[tuple[int, Completion]], None]) -> None:
        waiting = iter(enumerate(prompts))

        async def work() -> None:
            for index, prompt in waiting:
                answer = Collector(self._clock)
                await self._answer(prompt, answer.add)
                put((index, answer.completion()))

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._streams, len(prompts))):
                group.create_task(work())

    def _pumped(
        self, work: Callable[[Callable[[ResultT], None]], Coroutine[Any, Any, None]]
    ) -> Generator[ResultT, None, None]:
        """What `work` puts, as it puts it; its errors are raised here, and closing cancels it."""
        results: queue.SimpleQueue[ResultT | None] = queue.SimpleQueue()
        task: Future[None] = asyncio.run_coroutine_threadsafe(work(results.put), self._loop)
        task.add_done_callback(lambda _: results.put(None))
        try:
            while (result := results.get()) is not None:
                yield result
            _raise_first(task)
        finally:
            task.cancel()


def _raise_first(task: Future[None]) -> None:
    """Raise what ended `task`; of a group of tasks that failed together, the first."""
    try:
        task.result()
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group
