"""What the gateway adds to an upstream's answers, and how many a second it carries: beside LiteLLM, on the same cores.

k6 sends at fixed rates (open loop) to a mock upstream that answers at once: directly, through our gateway with one and
two processes (audit and safety rules on, every row counted afterwards), and through LiteLLM's proxy without a database.
All of them run on the same cores at the same time as k6, which takes its share of them. Added latency is the difference
of quantiles. Then one question is asked again and again, with both caches on.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench import harness
from bench.foundation import scratch
from bench.harness import Peer, Record
from bench.load import Target, Told, drive
from bench.peers import peer_python
from bench.serve_site import released
from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.runtime.endpoint.served import open_endpoint
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.serve.process import ServerProcess

__all__ = ["Steps", "gateway", "litellm", "measures", "mock", "project", "rows_of"]

LITELLM = "litellm==1.109.1"
NEEDED = (
    *(
        "fastuuid",
        "filelock",
        "httpx[http2]",
        "openai<4",
        "python-dotenv",
        "pyyaml",
        "packaging",
        "importlib-metadata<9",
    ),
    *("tiktoken", "tokenizers", "huggingface-hub<2", "click<9", "jinja2", "aiohttp", "anyio", "pydantic-settings"),
    *("jsonschema", "boto3", "certifi", "gunicorn<24", "uvicorn<1", "granian<3", "uvloop", "fastapi<1", "starlette<2"),
    *("backoff", "rq<3", "orjson", "hiredis<4", "apscheduler<4", "fastapi-sso", "pyjwt<3", "python-multipart"),
    *("cryptography<51", "pynacl", "websockets<16", "azure-identity", "azure-storage-blob", "mcp<3", "httpx2<3"),
    *("restrictedpython", "rich<14", "inquirerpy", "tomlkit", "polars<2", "soundfile", "expression", "backports-zstd"),
)
"""What its proxy asks for, named here because one of its bounds is newer than some mirrors; its database's and its
commercial parts are left out."""
P99_MS = 100.0
"""Sustained is a rate at which the slowest hundredth is answered within this."""
MODEL, DATA = "mock upstream, 7 tokens, no delay", "one short chat question, every one another"


@dataclass(frozen=True, kw_only=True)
class Steps:
    """How long and how hard is asked."""

    seconds: float = 20.0
    """Of each step at 50 and 500 a second."""
    rung_s: float = 8.0
    """Of each rung of the ladder."""
    ladder: tuple[int, ...] = (100, 200, 300, 400, 500, 600, 800, 1000, 1200, 1400, 1600, 1800, 2000, 2250, 2500, 3000)


SMALL = Steps(seconds=3.0, rung_s=2.0, ladder=(100, 200, 400, 600))


def measures(data: Path, *, steps: Steps | None = None) -> list[Callable[[], Sequence[Record]]]:
    """The measures of this topic, which needs no `data`."""
    del data
    return [lambda: hotpath(steps or Steps())]


def hotpath(steps: Steps) -> list[Record]:
    """Added latency, the highest rates, and the rows that are missing."""
    with scratch() as folder, mock() as upstream:
        straight = Target(url=upstream, model="mock")
        place = project(folder / "project", upstream)
        drive(straight, rate=50, seconds=2)
        bare = {rate: _step(straight, rate, steps) for rate in (50, 500)}
        records: list[Record] = []
        with gateway(place, processes=1) as ours:
            drive(ours, rate=50, seconds=2)
            one = {rate: _step(ours, rate, steps) for rate in (50, 500)}
            top_one = _highest(ours, steps)
        before = rows_of(place)
        with gateway(place, processes=2) as ours:
            first = drive(ours, rate=50, seconds=2)
            two = {rate: _step(ours, rate, steps) for rate in (50, 500)}
            top_two = _highest(ours, steps)
        sent = sum(each.answered for each in (first, *two.values(), top_two))
        missing = sent - (rows_of(place) - before)
        with litellm(upstream, processes=1) as theirs:
            drive(theirs, rate=20, seconds=3)
            peer = {rate: _step(theirs, rate, steps) for rate in (50, 500)}
        with litellm(upstream, processes=2) as theirs:
            drive(theirs, rate=20, seconds=3)
            peer_top = _highest(theirs, steps)
        with gateway(place, processes=2, cache={"backend": "memory"}) as ours:
            drive(ours, rate=50, seconds=2, same=True)
            hits = _highest(ours, steps, same=True)
        with litellm(upstream, processes=2, cache=True) as theirs:
            drive(theirs, rate=20, seconds=3, same=True)
            peer_hits = _highest(theirs, steps, same=True)
    for rate in (50, 500):
        records += _added(rate, bare[rate], one[rate], peer[rate])
        records += _added(rate, bare[rate], two[rate], None, suffix="_2_processes")
    theirs_held = Peer(name="litellm", version=LITELLM.partition("==")[2], value=peer_top.rate)
    records += [
        _sustained("sustained_qps_1_process", top_one, None),
        _sustained("sustained_qps", top_two, theirs_held),
        _sustained("cached_qps", hits, Peer(name="litellm", version=theirs_held.version, value=peer_hits.rate)),
        Record(name="audit_missing_rows", value=missing, unit="rows", better="lower", n=sent, model=MODEL, data=DATA),
    ]
    return records


def _sustained(name: str, top: Told, peer: Peer | None) -> Record:
    return Record(
        name=name,
        value=top.rate,
        unit="requests/s",
        better="higher",
        n=top.sent,
        peer=peer,
        model=MODEL,
        data=DATA,
    )


def _added(rate: int, bare: Told, ours: Told, theirs: Told | None, *, suffix: str = "") -> Iterator[Record]:
    """What the gateway adds to the median and to the slowest hundredth."""
    version = LITELLM.partition("==")[2]
    quantiles = {"p50": (bare.p50_ms, ours.p50_ms), "p99": (bare.p99_ms, ours.p99_ms)}
    for name, (straight, through) in quantiles.items():
        peer = None
        if theirs is not None:
            value = (theirs.p50_ms if name == "p50" else theirs.p99_ms) - straight
            peer = Peer(name="litellm", version=version, value=value)
        yield Record(
            name=f"added_{name}_ms_{rate}qps{suffix}",
            value=through - straight,
            unit="ms",
            better="lower",
            n=ours.answered,
            peer=peer,
            model=MODEL,
            data=DATA,
        )


def _step(target: Target, rate: int, steps: Steps) -> Told:
    told = drive(target, rate=rate, seconds=steps.seconds, run=f"step{rate}")
    print(f"  {target.url} at {rate}/s: p50 {told.p50_ms:.2f} ms, p99 {told.p99_ms:.2f} ms, {told.failed} failed")
    return told


def _highest(target: Target, steps: Steps, *, same: bool = False) -> Told:
    """The highest rung that was held, its `sent` and `failed` counting all rungs; two in a row that are not end it."""
    best, sent, failed, lost = 0.0, 0, 0, 0
    for rate in steps.ladder:
        told = drive(target, rate=rate, seconds=steps.rung_s, run=f"rung{rate}", same=same)
        print(
            f"  {target.url} at {rate}/s: p50 {told.p50_ms:.2f} ms, p99 {told.p99_ms:.2f} ms,"
            f" {told.failed} failed, {told.dropped} unsent"
        )
        sent, failed = sent + told.sent, failed + told.failed
        lost = 0 if told.holds(p99_ms=P99_MS) else lost + 1
        best = best if lost else rate
        if lost == 2:
            break
    return Told(rate=best, seconds=0.0, sent=sent, failed=failed, dropped=0, p50_ms=math.nan, p99_ms=math.nan)


@contextlib.contextmanager
def mock(*, first_ms: float = 0.0) -> Iterator[str]:
    """A mock upstream in a process of its own; its address up to `/v1`."""
    port = _free_port()
    command = [sys.executable, "-m", "seekloop.serve.upstream.mock", "--port", str(port), "--first-ms", str(first_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/v1/models", process)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


@contextlib.contextmanager
def gateway(place: Place, *, processes: int, **options: object) -> Iterator[Target]:
    """Our gateway over a project."""
    upstream = {"processes": processes}
    chosen = GatewayOptions.parse({"upstream": upstream, "streams": 256, "safety": {"mode": "enforce"}, **options})
    with ServerProcess(place.project, options=chosen) as server:
        yield Target(url=f"{server.url}/v1", model="production", key=server.key)


@contextlib.contextmanager
def litellm(upstream: str, *, processes: int, cache: bool = False) -> Iterator[Target]:
    """LiteLLM's proxy in front of `upstream`, without a database; with `cache`, its own in memory is on."""
    port, key = _free_port(), f"sk-{secrets.token_hex(16)}"
    python = peer_python("litellm", NEEDED, without_dependencies=[LITELLM])
    model = {"model": "openai/mock", "api_base": upstream, "api_key": "none"}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        settings: dict[str, object] = {"model_list": [{"model_name": "production", "litellm_params": model}]}
        if cache:
            settings["litellm_settings"] = {"cache": True, "cache_params": {"type": "local"}}
        config.write_text(json.dumps({**settings, "general_settings": {"master_key": key}}), "utf-8")
        command = [str(python.parent / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
        command += ["--port", str(port), "--num_workers", str(processes)]
        quiet = subprocess.DEVNULL
        local = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, cwd=folder, env=local) as process:
            try:
                _wait(f"http://127.0.0.1:{port}/health/liveliness", process)
                yield Target(url=f"http://127.0.0.1:{port}/v1", model="production", key=key)
            finally:
                process.terminate()


def project(folder: Path, upstream: str) -> Place:
    """A project whose promoted release is the model of `upstream`."""
    place = Place(folder)
    ctx = RunContext(store=Store(place.state / "store"), ledger=Ledger.in_folder(place.state))
    checkpoint = open_endpoint(f"{upstream}#mock", ctx=ctx)
    release = released(checkpoint, ctx, engine="mock")
    ctx.ledger.move_alias("production", release.id, expected_version=0, actor="bench", reason="bench")
    ctx.close()
    return place


def rows_of(place: Place) -> int:
    """Answers in a project's ledger."""
    ledger = Ledger.in_folder(place.state)
    try:
        return sum(1 for _ in ledger.events(kind="answer.recorded"))
    finally:
        ledger.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes], *, seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    with httpx2.Client(timeout=5.0) as client:
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if client.get(url).status_code == 200:
                    return
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nothing answers at {url}")
            time.sleep(0.2)


if __name__ == "__main__":
    harness.run("serve", measures(Path(), steps=SMALL if "small" in sys.argv[1:] else None))
