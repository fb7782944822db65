"""A gateway to be measured, in a process of its own: callers of two tiers, and an engine with a pace or a real one.

`python -m bench.serve_site PROJECT ENGINE PACE_S OPTIONS` serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx2

from bench.harness import REPOSITORY
from seekloop import compress
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Figure, Release, Report
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.rows import Message, Row, Source, write_rows
from seekloop.model import families
from seekloop.model.codec import Codec
from seekloop.model.tokenizers import tiny_tokenizer
from seekloop.runtime.bases import open_base
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.bridge import Awaited
from seekloop.runtime.generate.echo import EchoBackend
from seekloop.serve import ServeInputs, ServeSpec, stage
from seekloop.serve.caller import Caller
from seekloop.serve.engines import opener
from seekloop.serve.gateway import Gateway
from seekloop.serve.keys import Keyring
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.serve.server import in_thread
from seekloop.serve.worker import Opener
from seekloop.system.spec import Spec

__all__ = ["FOUR_BITS", "MODEL", "TIERS", "Site", "demo_model", "echo_model", "released", "serve", "site"]

MODEL = "smollm2-135m, gguf q4_0, llama.cpp"
FOUR_BITS: Mapping[str, str] = MappingProxyType({"type": "gguf", "precision": "q4_0"})
TIERS = {"high": 0, "low": 2}
"""Key, which is the caller's name too -> tier."""
_ready_s = 120.0


@dataclass(frozen=True)
class Site:
    """A running gateway."""

    url: str
    pid: int


def echo_model(ctx: RunContext) -> Release:
    """Promote a release whose engine says the question's last eight tokens."""
    card = families.card("smollm2")
    with ctx.job("bench", Spec()) as job:
        Codec.build(card, tiny_tokenizer(card)).save(job.draft.folder)
        job.path("model.safetensors").write_bytes(b"echo")
        facts: dict[str, Any] = {"form": "full", "family": card.name, "precision": "f32", "parameters": 1}
        checkpoint = job.commit(Checkpoint(made_by=job.origin, **facts))
    return _promoted(checkpoint, ctx, max_tokens=8)


def demo_model(ctx: RunContext, *, max_tokens: int, form: Mapping[str, str] = FOUR_BITS) -> Release:
    """Promote a release of the demo's base model, unless said otherwise in the demo's four-bit form."""
    base = open_base("smollm2-135m", ctx=ctx)
    spec = compress.CompressSpec.parse({"method": dict(form)})
    return _promoted(compress.run(spec, compress.CompressInputs(checkpoint=base), ctx=ctx), ctx, max_tokens=max_tokens)


def _promoted(checkpoint: Checkpoint, ctx: RunContext, *, max_tokens: int) -> Release:
    release = released(checkpoint, ctx, engine="bench", max_tokens=max_tokens)
    ctx.ledger.move_alias("production", release.id, expected_version=None, actor="bench", reason="bench")
    return release


def released(checkpoint: Checkpoint, ctx: RunContext, *, engine: str, max_tokens: int | None = None) -> Release:
    """A release of a checkpoint whose report holds one row, for benches in which nobody asks how good it is."""
    said = (Message(role="user", content="Hi"), Message(role="assistant", content="Hello"))
    with ctx.job("bench", Spec()) as job:
        write_rows(job.path("test.jsonl"), [Row(id="1", messages=said, source=Source(file="bench", line=1))])
        splits = {"train": 0, "validation": 0, "test": 1}
        dataset = job.commit(Dataset(made_by=job.origin, rows=1, splits=splits, dropped={}))
    with ctx.job("bench", Spec()) as job:
        report = job.commit(
            Report(
                parents={"checkpoint": checkpoint.id, "dataset": dataset.id},
                made_by=job.origin,
                subject=checkpoint.id,
                dataset=dataset.id,
                split="test",
                engine=engine,
                figures=(Figure(name="accuracy", value=1.0, n=1),),
            )
        )
    spec = ServeSpec() if max_tokens is None else ServeSpec(max_tokens=max_tokens)
    return stage.run(spec, ServeInputs(checkpoint=checkpoint, report=report), ctx=ctx)


@contextlib.contextmanager
def site(project: Path, *, engine: str = "echo", pace_s: float = 0.0, **options: Any) -> Iterator[Site]:
    """The gateway of a project in a process of its own, ready inside the block.

    Args:
        project: with a promoted release.
        engine: as in `GatewayOptions`.
        pace_s: seconds between the tokens of the echo engine.
        options: of the gateway.
    """
    command = [sys.executable, "-m", "bench.serve_site", str(project), engine, str(pace_s), json.dumps(options)]
    with (project / "site.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None and process.stdin is not None
    try:
        url = process.stdout.readline().strip()
        _wait_until_ready(url)
        yield Site(url, process.pid)
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + _ready_s
    with httpx2.Client(headers={"Authorization": "Bearer high"}) as client:
        while client.get(f"{url}/readyz").status_code != 200:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{url} is not ready")
            time.sleep(0.05)


def serve(project: Path, *, engine: str, pace_s: float, options: GatewayOptions) -> None:
    """Serve the project until standard input ends."""
    place = Place(project)
    store, ledger = place.store(), Ledger.in_folder(place.state)
    gateway = Gateway(
        store=store,
        ledger=ledger,
        keyring=Keyring({name: Caller(name=name, tier=tier) for name, tier in TIERS.items()}),
        opener=_paced(pace_s, options.streams) if engine == "echo" else opener(store, options),
        options=options,
    )
    with in_thread(gateway, alone=True) as running:
        print(running.url, flush=True)
        sys.stdin.read()
    ledger.close()


def _paced(pace_s: float, streams: int) -> Opener:
    async def start(_: Checkpoint) -> AsyncBackend:
        await asyncio.sleep(0)
        return Awaited(EchoBackend(pace_s=pace_s), streams=streams)

    return start


if __name__ == "__main__":
    folder, name, pace, dials = sys.argv[1:]
    serve(
        Path(folder),
        engine=name,
        pace_s=float(pace),
        options=GatewayOptions.parse({"engine": name, **json.loads(dials)}),
    )
