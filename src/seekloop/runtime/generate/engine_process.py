"""The process that an engine runs in, as its adapter sees it: started, watched, and told apart dead from silent."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import secrets
import time
from collections.abc import Awaitable, Callable

from seekloop.runtime.generate.sandbox import Containment, Mode
from seekloop.runtime.generate.worker import Worker
from seekloop.system.errors import EngineError, MissingPackage

__all__ = ["EngineProcess", "InProcess", "version_of"]

_dying, _look_s = 20, 0.05
"""How often, and how far apart, a process whose connection broke is looked at before it counts as alive."""
_shortest_s = 0.01


class EngineProcess:
    """One engine process, from its start to its end, and what its silence means.

    Args:
        module: what the process runs.
        engine: name for error messages.
        ready_s: longest wait for its address.
        silence_s: an engine that owes something and says nothing for so long has as long again to answer a probe; then
            it hangs.
        sandbox: whether it is shut in: see `sandbox.py`.
    """

    def __init__(self, module: str, *, engine: str, ready_s: float, silence_s: float, sandbox: Mode) -> None:
        self.worker = Worker(module, engine=engine, ready_s=ready_s, sandbox=sandbox)
        self.key = secrets.token_hex(16)
        """What whoever speaks to it must know."""
        self.parent = os.getpid()
        """The process that it dies with."""
        self.silence_s = silence_s
        self._engine = engine
        self._heard = time.monotonic()
        self._hangs = self._closed = False

    @property
    def socket(self) -> str:
        """Path of the socket that it listens on where it is shut in; empty: it takes a free port of 127.0.0.1."""
        return "" if self.worker.folder is None else str(self.worker.folder / "engine.sock")

    def start(self, config: str) -> str:
        """Start it with one line of configuration; returns where it listens.

        Raises:
            EngineError: it ended or was not ready in time; the end of its log is told.
        """
        return self.worker.start(config)

    def heard(self) -> None:
        """It said something, or was just asked for the first thing that it owes."""
        self._heard = time.monotonic()

    def check_open(self) -> None:
        """Make sure that it was not closed.

        Raises:
            EngineError: it was.
        """
        if self._closed:
            raise EngineError("runtime.closed", engine=self._engine)

    async def watch(self, probe: Callable[[], Awaitable[None]], *, owes: Callable[[], bool]) -> None:
        """End it if it owes something, is silent and does not answer `probe`; who waits for it then hears of it.

        Returns when it is dead, or hangs.
        """
        while True:
            await asyncio.sleep(max(_shortest_s, self._heard + self.silence_s - time.monotonic()))
            if not owes():
                self.heard()
            if time.monotonic() - self._heard < self.silence_s:
                continue
            try:
                async with asyncio.timeout(self.silence_s):
                    await probe()
                self.heard()
            except TimeoutError:
                self._hangs = True
                await asyncio.to_thread(self.worker.kill)
                return
            except EngineError:
                return  # dead: who waits hears of it without us

    async def broken(self, error: Exception | None = None) -> EngineError:
        """What a connection that broke means: nearly always that the process is dead, or dying.

        Args:
            error: what one of several connections said; None: there was one, and without it the process is ended.
        """
        if self._closed:
            return EngineError("runtime.closed", engine=self._engine)
        if self._hangs:
            return EngineError("runtime.worker_hangs", engine=self._engine, seconds=f"{2 * self.silence_s:.0f}")
        if error is not None and not await self._dies():
            return EngineError("runtime.engine_refused", engine=self._engine, problem=error)
        return await asyncio.to_thread(self.worker.death)

    async def close(self) -> None:
        """End it, for certain."""
        self._closed = True
        await asyncio.to_thread(self.worker.kill)

    async def _dies(self) -> bool:
        for _ in range(_dying):
            if not self.worker.alive():
                return True
            await asyncio.sleep(_look_s)
        return False


class InProcess:
    """What every adapter of an engine process tells of it.

    Args:
        process: started.
    """

    def __init__(self, process: EngineProcess) -> None:
        self._process = process

    @property
    def containment(self) -> Containment | None:
        """How far the engine process is shut in; None: nobody asked."""
        return self._process.worker.containment

    @property
    def pid(self) -> int:
        """Of the engine process."""
        return self._process.worker.pid

    def alive(self) -> bool:
        """Whether the engine process runs."""
        return self._process.worker.alive()


def version_of(package: str, *, extra: str) -> str:
    """Of an engine's package.

    Raises:
        MissingPackage: it is not installed.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingPackage("system.package_missing", package=package, extra=extra) from error
