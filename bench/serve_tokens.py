"""First tokens with four people chatting, and tokens a second at 32 streams, beside the engines without a gateway.

Four bits of the demo's base model: q4_0 in llama.cpp, INT4 in OpenVINO. Alone, llama.cpp is xllamacpp's own server with
as many streams and threads, asked over the same API by the same client; OpenVINO is its continuous batching pipeline,
stepped in one process with nothing around it. The gateway checks keys, queues, counts and records every answer. What
prompts begin with in common is read once in llama.cpp, by the gateway and alone, and each time in OpenVINO, by both:
as the two do it left to themselves.

`python -m bench.serve_tokens ENGINE MODEL` is an engine alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import httpx2

from bench.foundation import scratch
from bench.harness import REPOSITORY, Peer, Record
from bench.serve_site import FOUR_BITS, demo_model, site
from seekloop.app.traffic import read_customers
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.rows import Message
from seekloop.metrics.latency import percentile
from seekloop.model.codec import Codec

__all__ = ["measures"]

STREAMS, TOKENS, REQUESTS, ROUNDS = 32, 64, 96, 3
USERS, TURNS, CONTEXT = 4, 24, 512
THREADS = os.cpu_count() or 1
LIMITS = {"context": CONTEXT, "threads": THREADS}
MODEL, DATA = "smollm2-135m in four bits", "questions of the shipped bank sample, each another, 64 tokens an answer"
FORMS = {"llamacpp": FOUR_BITS, "openvino": {"type": "openvino", "precision": "int4"}}
JSON = dict[str, object]


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """One measure, which needs no `data`."""
    del data
    return [_tokens]


def _tokens() -> Sequence[Record]:
    with scratch() as folder:
        places = {"llamacpp": folder / "llamacpp", "openvino": folder / "openvino"}
        models = {name: _release(place, engine=name) for name, place in places.items()}
        ours: dict[str, list[float]] = {name: [] for name in places}
        alone: dict[str, list[float]] = {name: [] for name in places}
        for _ in range(ROUNDS):
            for name, place in places.items():
                cached = name == "llamacpp"
                with site(place, engine=name, streams=STREAMS, prefix_cache=cached, **LIMITS) as gateway:
                    ours[name].append(asyncio.run(_speed(gateway.url, key="high")))
                alone[name].append(_alone(name, models[name]))
                print(f"  {name}: {ours[name][-1]:.0f} tokens/s, alone {alone[name][-1]:.0f}")
        firsts = {}
        for name, place in places.items():
            with site(place, engine=name, streams=8, **LIMITS) as gateway:
                firsts[name] = sorted(asyncio.run(_first_tokens(gateway.url)))
                print(f"  {name}: first token p95 {percentile(firsts[name], 0.95):.0f} ms")
    best, rival = (
        max(ours, key=lambda name: statistics.median(ours[name])),
        max(alone, key=lambda name: statistics.median(alone[name])),
    )
    quick = min(firsts, key=lambda name: percentile(firsts[name], 0.95))
    return [
        Record(
            name="tokens_per_s_32",
            value=statistics.median(ours[best]),
            unit="tokens/s",
            better="higher",
            n=ROUNDS,
            peer=Peer(name=f"{rival} alone", version=_version(rival), value=statistics.median(alone[rival])),
            model=f"{MODEL}, {best}",
            data=DATA,
        ),
        *(
            Record(
                name=f"tokens_per_s_32_{name}",
                value=statistics.median(ours[name]),
                unit="tokens/s",
                better="higher",
                n=ROUNDS,
                peer=Peer(name=f"{name} alone", version=_version(name), value=statistics.median(alone[name])),
                model=f"{MODEL}, {name}",
                data=DATA,
            )
            for name in places
        ),
        Record(
            name="first_token_p95_ms_4",
            value=percentile(firsts[quick], 0.95),
            unit="ms",
            better="lower",
            n=len(firsts[quick]),
            model=f"{MODEL}, {quick}",
            data=f"{USERS} people, each asks again when answered, streams",
        ),
    ]


def _release(place: Path, *, engine: str) -> Path:
    """Promote the model in the engine's form; returns where it is."""
    with RunContext.in_folder(place) as ctx:
        made = demo_model(ctx, max_tokens=TOKENS, form=FORMS[engine])
        checkpoint = ctx.store.open(made.checkpoint, Checkpoint)
        folder = ctx.store.folder(checkpoint.id)
        return folder / "model.gguf" if engine == "llamacpp" else folder


def _questions() -> list[str]:
    sample = resources.files("seekloop.data").joinpath("sample", "traffic.jsonl")
    asked = [customer.text for customer in read_customers(Path(str(sample)))]
    return [f"{asked[number % len(asked)]} (case {number})" for number in range(REQUESTS)]


def _body(question: str) -> JSON:
    return {
        "model": "production",
        "messages": [{"role": "user", "content": question}],
        "max_tokens": TOKENS,
        "temperature": 0,
    }


async def _speed(url: str, *, key: str) -> float:
    """Tokens a second with every stream taken until nothing is left to ask."""
    waiting = _questions()
    headers = {"Authorization": f"Bearer {key}"}
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=300, limits=limits) as client:

        async def ask() -> int:
            tokens = 0
            while waiting:
                response = await client.post("/v1/chat/completions", json=_body(waiting.pop()))
                tokens += response.raise_for_status().json()["usage"]["completion_tokens"]
            return tokens

        started = time.perf_counter()
        tokens = sum(await asyncio.gather(*(ask() for _ in range(STREAMS))))
        return tokens / (time.perf_counter() - started)


async def _first_tokens(url: str) -> list[float]:
    """Milliseconds to the first word of each answer, with four people who ask again as soon as they are answered."""
    waiting = _questions()

    async def person(client: httpx2.AsyncClient, found: list[float]) -> None:
        for _ in range(TURNS):
            question = waiting.pop()
            started = time.perf_counter()
            async with client.stream("POST", "/v1/chat/completions", json=_body(question) | {"stream": True}) as lines:
                said = False
                async for line in lines.raise_for_status().aiter_lines():
                    if not said and '"content"' in line and json.loads(line[6:])["choices"][0]["delta"].get("content"):
                        found.append(1000 * (time.perf_counter() - started))
                        said = True

    found: list[float] = []
    async with httpx2.AsyncClient(base_url=url, headers={"Authorization": "Bearer high"}, timeout=300) as client:
        await asyncio.gather(*(person(client, found) for _ in range(USERS)))
    return found


def _alone(engine: str, model: Path) -> float:
    with _process(engine, model) as process:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        return asyncio.run(_speed(said, key="none")) if engine == "llamacpp" else float(said)


@contextlib.contextmanager
def _process(engine: str, model: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.serve_tokens", engine, str(model)]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _llamacpp_alone(model: Path) -> None:
    """xllamacpp's server, as its README starts it."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_parallel = STREAMS
    params.n_ctx = STREAMS * CONTEXT
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
    params.port = 0
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = xllamacpp.Server(params)
    print(server.listening_address, file=out, flush=True)
    sys.stdin.read()


def _openvino_alone(model: Path) -> None:
    """The continuous batching pipeline under its own settings, 32 questions in it; prints tokens a second."""
    from seekloop.runtime import openvino_modules

    genai = openvino_modules.genai()
    schedule = genai.SchedulerConfig()
    schedule.max_num_seqs = STREAMS
    schedule.num_kv_blocks = STREAMS * CONTEXT // 32
    pipeline = genai.ContinuousBatchingPipeline(str(model), schedule, "CPU", {"INFERENCE_NUM_THREADS": THREADS})
    codec = Codec.open(model)
    prompts = [codec.prompt_ids([Message(role="user", content=question)]) for question in _questions()]
    settings = genai.GenerationConfig()
    settings.max_new_tokens = TOKENS
    settings.apply_chat_template = False
    settings.set_eos_token_id(min(codec.stop_ids))
    settings.stop_token_ids = set(codec.stop_ids)
    under_way: list[Any] = []
    tokens, begun = 0, 0
    started = time.perf_counter()
    while prompts or under_way:
        while prompts and len(under_way) < STREAMS:
            begun += 1
            under_way.append(pipeline.add_request(begun, _tensor(prompts.pop()), settings))
        pipeline.step()
        running = []
        for handle in under_way:
            while handle.can_read():
                tokens += sum(len(output.generated_ids) for output in handle.read().values())
            if handle.get_status() == genai.GenerationStatus.RUNNING:
                running.append(handle)
        under_way = running
    print(tokens / (time.perf_counter() - started), flush=True)
    sys.stdin.read()


def _tensor(ids: Sequence[int]) -> object:
    import numpy as np

    from seekloop.runtime import openvino_modules

    return openvino_modules.openvino().Tensor(np.array([ids], dtype=np.int64))


def _version(engine: str) -> str:
    return metadata.version({"llamacpp": "xllamacpp", "openvino": "openvino-genai"}[engine])


if __name__ == "__main__":
    alone = {"llamacpp": _llamacpp_alone, "openvino": _openvino_alone}
    alone[sys.argv[1]](Path(sys.argv[2]))
