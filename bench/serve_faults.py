"""What is lost when things die: an engine killed or stopped under its requests, a client that leaves, SIGTERM.

All on the demo's four-bit model in llama.cpp, one engine process, in the gateway as it is shipped with its defaults.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2

from bench.foundation import scratch
from bench.harness import Record, median_record
from bench.serve_site import MODEL, demo_model, echo_model
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.runtime.generate.backend import Prompt, Token
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.bridge import Awaited
from seekloop.runtime.generate.echo import EchoBackend
from seekloop.runtime.generate.llamacpp import LlamaCpp
from seekloop.serve.caller import Caller
from seekloop.serve.engines import opener
from seekloop.serve.gateway import Gateway
from seekloop.serve.keys import Keyring
from seekloop.serve.options import GatewayOptions
from seekloop.serve.process import ServerProcess
from seekloop.serve.server import in_thread
from seekloop.serve.worker import Opener

__all__ = ["measures"]

KEY = "bench"
KILLS, STOPS, LEAVERS, TERMS = 5, 4, 8, 3
TOKENS, CLIENTS = 64, 8
_look_s = 0.005


class _Engines:
    """Starts engines, and knows them."""

    def __init__(self, start: Opener) -> None:
        self._start = start
        self.started: list[LlamaCpp] = []

    async def open(self, checkpoint: Checkpoint) -> AsyncBackend:
        """The engine of a checkpoint."""
        engine = await self._start(checkpoint)
        assert isinstance(engine, LlamaCpp)
        self.started.append(engine)
        return engine

    @property
    def pid(self) -> int:
        """Of the newest one's process."""
        return self.started[-1].pid


@contextlib.contextmanager
def _served(ctx: RunContext, start: Opener, **options: Any) -> Iterator[tuple[Gateway, httpx2.Client]]:
    gateway = Gateway(
        store=ctx.store,
        ledger=ctx.ledger,
        keyring=Keyring({KEY: Caller(name=KEY)}),
        opener=start,
        options=GatewayOptions.parse(options),
    )
    headers = {"Authorization": f"Bearer {KEY}"}
    with in_thread(gateway) as running, httpx2.Client(base_url=running.url, headers=headers, timeout=120) as client:
        _until(lambda: gateway.ready)
        yield gateway, client


def _until(done: Callable[[], bool], *, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came")
        time.sleep(_look_s)


def _ask(client: httpx2.Client, *, stream: bool = False, max_tokens: int = TOKENS) -> httpx2.Response:
    body = {"model": "production", "messages": [{"role": "user", "content": "Tell me about money"}]}
    return client.post("/v1/chat/completions", json={**body, "stream": stream, "max_tokens": max_tokens})


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Killed, stopped, left, terminated."""
    del data
    return [_killed_and_stopped, _left, _terminated]


def _killed_and_stopped() -> Sequence[Record]:
    """Seconds from the signal until a new engine is ready; eight whole requests are under way each time."""
    with scratch() as folder, RunContext.in_folder(folder) as ctx:
        demo_model(ctx, max_tokens=TOKENS)
        options = GatewayOptions(streams=4)
        engines = _Engines(opener(ctx.store, options))
        with (
            _served(ctx, engines.open, streams=4) as (gateway, client),
            ThreadPoolExecutor(CLIENTS) as pool,
        ):
            killed, lost = [], 0
            for _ in range(KILLS):
                seconds, failed = _broken(gateway, client, engines, pool, number=signal.SIGKILL)
                killed.append(seconds)
                lost += failed
            stopped = [_silenced(gateway, client, engines, pool, busy=bool(turn % 2)) for turn in range(STOPS)]
    facts: dict[str, Any] = {"better": "lower", "model": MODEL}
    return [
        median_record("kill_new_worker_s", killed, unit="s", data=f"{CLIENTS} whole requests under way", **facts),
        Record(name="kill_lost_requests", value=lost, unit="requests", n=KILLS * CLIENTS, **facts),
        Record(name="kill_new_worker_worst_s", value=max(killed), unit="s", n=KILLS, **facts),
        Record(name="stop_found_worst_s", value=max(stopped), unit="s", n=STOPS, data="idle and busy in turn", **facts),
    ]


def _broken(
    gateway: Gateway, client: httpx2.Client, engines: _Engines, pool: ThreadPoolExecutor, *, number: signal.Signals
) -> tuple[float, int]:
    """Seconds until the next engine is ready, and the requests that were not answered."""
    asked = [pool.submit(_ask, client) for _ in range(CLIENTS)]
    _until(lambda: gateway.admission.inside > 0)
    before, start = len(engines.started), time.monotonic()
    os.kill(engines.pid, number)
    _until(lambda: len(engines.started) > before and gateway.ready)
    seconds = time.monotonic() - start
    return seconds, sum(future.result().status_code != httpx2.codes.OK for future in asked)


def _silenced(
    gateway: Gateway, client: httpx2.Client, engines: _Engines, pool: ThreadPoolExecutor, *, busy: bool
) -> float:
    """Seconds from SIGSTOP until the engine's process is ended."""
    asked = [pool.submit(_ask, client)] if busy else []
    _until(lambda: gateway.admission.inside == len(asked))
    engine, start = engines.started[-1], time.monotonic()
    os.kill(engine.pid, signal.SIGSTOP)
    _until(lambda: not engine.alive())
    seconds = time.monotonic() - start
    _until(lambda: gateway.ready)
    assert all(future.result().status_code == httpx2.codes.OK for future in asked)
    return seconds


class _Counted(EchoBackend):
    """An echo engine with a pace that counts the steps of each prompt."""

    def __init__(self, *, pace_s: float) -> None:
        super().__init__(pace_s=pace_s)
        self.steps: Counter[tuple[int, ...]] = Counter()

    def stream(self, prompt: Prompt) -> Generator[Token, None, None]:
        """As the echo engine."""
        for token in super().stream(prompt):
            self.steps[prompt.ids] += 1
            yield token


def _left() -> Sequence[Record]:
    """Steps that an engine takes for a client after it has left: the echo's counted, llama.cpp's by the clock."""
    with scratch() as folder, RunContext.in_folder(folder) as ctx:
        echo_model(ctx)
        counted = [_steps_after_leaving(ctx) for _ in range(LEAVERS)]
    with scratch() as folder, RunContext.in_folder(folder) as ctx:
        demo_model(ctx, max_tokens=400)
        timed = _steps_by_the_clock(ctx)
    facts: dict[str, Any] = {"unit": "decode steps", "better": "lower"}
    told = "the next request's first token, later than on an idle engine, in steps of the one before"
    return [
        Record(name="gone_freed_steps", value=max(counted), n=LEAVERS, model="echo, 20 ms a token", **facts),
        median_record("gone_freed_steps_llamacpp", timed, model=MODEL, data=told, **facts),
    ]


def _steps_after_leaving(ctx: RunContext) -> int:
    engine = _Counted(pace_s=0.02)

    async def start(_: Checkpoint) -> AsyncBackend:
        return Awaited(engine, streams=1)

    question = " ".join(map(str, range(8)))
    with _served(ctx, start, streams=1) as (gateway, client):
        body = {"model": "production", "messages": [{"role": "user", "content": question}], "stream": True}
        with client.stream("POST", "/v1/chat/completions", json=body) as response:
            next(line for line in response.iter_lines() if '"content":"' in line and '"content":""' not in line)
            before = max(engine.steps.values())
        _until(lambda: gateway.admission.inside == 0)
        _ask(client, max_tokens=1)
        return max(engine.steps.values()) - before


def _steps_by_the_clock(ctx: RunContext) -> list[float]:
    options = GatewayOptions(streams=1)
    with _served(ctx, opener(ctx.store, options), streams=1) as (_, client):
        idle = statistics.median(_first_token_s(client)[0] for _ in range(LEAVERS))
        late = []
        for _ in range(LEAVERS):
            _, step_s = _first_token_s(client, leave_after=12)
            seconds, _ = _first_token_s(client)
            late.append(max(0.0, (seconds - idle) / step_s))
        return late


def _first_token_s(client: httpx2.Client, *, leave_after: int = 2) -> tuple[float, float]:
    """Seconds to the first token and between two of them, of an answer that is left after a few; then all is quiet."""
    body = {"model": "production", "messages": [{"role": "user", "content": "Tell me about money"}], "stream": True}
    start, times = time.monotonic(), []
    with client.stream("POST", "/v1/chat/completions", json=body) as response:
        for line in response.iter_lines():
            if '"content":"' in line and '"content":""' not in line:
                times.append(time.monotonic())
            if len(times) == leave_after:
                break
    return times[0] - start, (times[-1] - times[0]) / max(1, len(times) - 1)


def _terminated() -> Sequence[Record]:
    """Requests under way at SIGTERM, whole and streamed, answered and waiting, that were not answered to the end."""
    lost = asked = 0
    with scratch() as folder:
        with RunContext.in_folder(folder) as ctx:
            demo_model(ctx, max_tokens=TOKENS)
        for _ in range(TERMS):
            failed, sent = _terminate(folder)
            lost, asked = lost + failed, asked + sent
    facts: dict[str, Any] = {"unit": "requests", "better": "lower", "model": MODEL}
    return [Record(name="sigterm_lost_requests", value=lost, n=asked, **facts)]


def _terminate(project: Path) -> tuple[int, int]:
    ended = threading.Event()

    def client_of(turn: int) -> tuple[int, int]:
        """Ask again and again, until the gateway is gone; (lost, asked)."""
        lost = asked = 0
        with httpx2.Client(base_url=server.url, headers=headers, timeout=120) as client:
            while not ended.is_set():
                begun = time.monotonic()
                try:
                    answer = _ask(client, stream=bool(turn % 2), max_tokens=16)
                    whole = answer.status_code == httpx2.codes.OK
                    whole = whole and (not turn % 2 or answer.text.endswith("data: [DONE]\n\n"))
                except httpx2.HTTPError:
                    whole = False
                if begun < told_at[0]:
                    lost, asked = lost + (not whole), asked + 1
                elif not whole:
                    break
        return lost, asked

    told_at = [float("inf")]
    with ServerProcess(project, options=GatewayOptions(streams=4)) as server, ThreadPoolExecutor(CLIENTS) as pool:
        headers = {"Authorization": f"Bearer {server.key}"}
        clients = [pool.submit(client_of, turn) for turn in range(CLIENTS)]
        _until(lambda: server.releases()["serving"]["in_flight"] >= CLIENTS - 1)
        told_at[0] = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        server.wait()
        ended.set()
        found = [client.result() for client in clients]
    return sum(lost for lost, _ in found), sum(asked for _, asked in found)
