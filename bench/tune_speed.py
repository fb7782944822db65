"""LoRA on mixed-length instruction rows beside TRL and LLaMA-Factory: tokens a second, memory, the loss of each step.

All start from the same base and the same adapter, train the same token ids and labels in the same order at the same
constant rate with the same threads, each in a process and an environment of its own. What is timed is the training
itself, without start-up. Tokens are those of the rows, padding not counted.
"""

from __future__ import annotations

import gzip
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.foundation import scratch
from bench.harness import REPOSITORY, Peer, Record, median_interval
from bench.peers import peer_python
from bench.tune_run import plan_of
from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Message, Row, Source
from seekloop.model.arithmetic import Amount, train_seconds
from seekloop.model.codec import Codec
from seekloop.model.trained import low_rank
from seekloop.runtime.bases import open_base
from seekloop.runtime.linear import product
from seekloop.runtime.train.batching import labelled
from seekloop.runtime.train.methods.lora import Lora, LoraConfig
from seekloop.runtime.weights import open_model
from seekloop.system import settings

__all__ = ["BASE", "DATA", "OURS", "SEED", "Job", "apart", "measures", "train", "trl_command"]

BASE, SEED, RANK, ROWS_PER_STEP, STEPS, ROUNDS, LONGEST = "smollm2-135m", 7, 16, 8, 5, 3, 512
TORCH = "torch==2.13.0"
TRL = (
    *(TORCH, "trl==1.16.0", "peft==0.21.2", "transformers==5.23.0", "accelerate==1.15.0", "datasets==5.2.0"),
    "bitsandbytes==0.50.2",
)
LLAMAFACTORY = (
    *(TORCH, "trl==0.24.0", "peft==0.18.1", "transformers==5.6.0", "accelerate==1.11.0", "datasets==4.0.0"),
    *("omegaconf", "fire", "einops", "sentencepiece", "tiktoken", "protobuf", "scipy", "matplotlib", "pandas"),
    *("pydantic", "pyyaml", "tyro<0.9", "av"),
)
DATA = f"llamafactory_demo/alpaca_en_demo, the first {STEPS * ROWS_PER_STEP} rows of at most {LONGEST} tokens"
OURS = (sys.executable, "-m", "bench.tune_run")
PEER = REPOSITORY / "bench" / "peer_tune.py"
DEFAULTS: dict[str, Any] = {"bf16": False}
"""TRL as it comes, but in fp32 as ours, or no loss curve could be compared; bf16 is measured beside it."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is trained, as a file that every trainer reads."""

    path: Path
    value: dict[str, Any]
    tokens: int
    labelled: int
    config: dict[str, Any]
    """config.json of the base."""

    @classmethod
    def of(cls, data: Path, folder: Path) -> Job:
        """Encode the rows with the base's codec, draw the adapter to start from, and write the job into `folder`."""
        file = data / "llamafactory_demo" / "alpaca_en_demo.json.gz"
        with RunContext.in_folder(folder / "project", seed=SEED) as ctx:
            base = ctx.store.folder(open_base(BASE, ctx=ctx).id)
        codec = Codec.open(base)
        views = (
            codec.views(_row(number, record))
            for number, record in enumerate(json.loads(gzip.decompress(file.read_bytes())))
        )
        short = (found[0] for found in views if len(found[0].ids) <= LONGEST)
        chosen = list(itertools.islice(short, STEPS * ROWS_PER_STEP))
        model = open_model(base)
        lora = LoraConfig(rank=RANK, alpha=2.0 * RANK, targets=codec.card.lora_targets)
        method = Lora(config=lora, base=str(base))
        method.apply(model, seed=SEED)
        (folder / "adapter").mkdir()
        method.export(model, folder / "adapter")
        value = {
            "base": str(base),
            "adapter": str(folder / "adapter"),
            "rows": [{"ids": list(view.ids), "labels": list(view.labels)} for view in chosen],
            "rows_per_step": ROWS_PER_STEP,
            "steps": STEPS,
            "learning_rate": 1e-3,
            "seed": SEED,
            "threads": settings.threads(),
            "pad": codec.pad_id,
        }
        plan = plan_of(value)
        order = [int(view.row) for step in range(plan.steps) for view in plan.views(step)]
        value["order"] = order
        path = folder / "job.json"
        path.write_text(json.dumps({**value, "trl": DEFAULTS}), "utf-8")
        return cls(
            path=path,
            value=value,
            tokens=sum(len(view.ids) for view in chosen),
            labelled=sum(labelled(view) for view in chosen),
            config=json.loads((base / "config.json").read_text("utf-8")),
        )

    def changed(self, name: str, **keys: object) -> Path:
        """The same job with other values of some keys, in a file of that name."""
        path = self.path.with_name(f"{name}.json")
        path.write_text(json.dumps({**self.value, "trl": DEFAULTS, **keys}), "utf-8")
        return path

    def rate(self, run: dict[str, Any]) -> float:
        """Tokens a second of what a trainer said of its run."""
        return float(self.tokens / run["seconds"])


def apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The most that the losses of two runs differ by at a step."""
    return max(abs(a - b) for a, b in zip(one["losses"], other["losses"], strict=True))


def trl_command() -> list[str]:
    """What trains a job by TRL; installs it where it is not there."""
    return [str(peer_python("trl", TRL)), str(PEER), "trl"]


def speed(data: Path) -> Sequence[Record]:
    """Ours, TRL and LLaMA-Factory in turn, three rounds; TRL once more in bf16, its own default."""
    trl = trl_command()
    installed = peer_python("llamafactory", LLAMAFACTORY, without_dependencies=["llamafactory==0.9.5"])
    factory = [str(installed), str(PEER), "llamafactory"]
    with scratch() as folder:
        job = Job.of(data, folder)
        runs: dict[str, list[dict[str, Any]]] = {"ours": [], "trl": [], "factory": []}
        for _ in range(ROUNDS):
            for name, command in (("ours", OURS), ("trl", trl), ("factory", factory)):
                runs[name].append(train(command, job.path))
        half = train(trl, job.changed("bf16", trl={"bf16": True}))
        peak = _peak_gflops()
    rate = {name: list(map(job.rate, found)) for name, found in runs.items()}
    middle = {name: statistics.median(found) for name, found in rate.items()}
    memory = {name: statistics.median(run["peak_mb"] for run in found) for name, found in runs.items()}
    ours = runs["ours"][0]
    versions = {name: found[0]["version"] for name, found in runs.items()}
    share = _operations(job) * middle["ours"] / job.tokens / (peak * 1e9)

    def record(name: str, value: float, unit: str, **more: Any) -> Record:
        given: dict[str, Any] = {"better": "higher", "n": ROUNDS, **more}
        return Record(name=name, value=value, unit=unit, model=BASE, data=DATA, seed=SEED, **given)

    def peer(name: str, value: float) -> Peer:
        return Peer(name="trl" if name == "trl" else "llamafactory", version=versions[name], value=value)

    interval = median_interval(rate["ours"])
    return [
        record("lora_tokens_per_s", middle["ours"], "tokens/s", ci=interval, peer=peer("trl", middle["trl"])),
        record(
            "lora_tokens_per_s_llamafactory",
            middle["ours"],
            "tokens/s",
            ci=interval,
            peer=peer("factory", middle["factory"]),
        ),
        record(
            "lora_tokens_per_s_trl_bf16",
            middle["ours"],
            "tokens/s",
            ci=interval,
            peer=peer("trl", job.rate(half)),
        ),
        record("loss_curve_max_delta", apart(ours, runs["trl"][0]), "nats", better="lower", n=STEPS),
        record("loss_curve_max_delta_llamafactory", apart(ours, runs["factory"][0]), "nats", better="lower", n=STEPS),
        record("lora_peak_mb", memory["ours"], "MiB", better="lower", peer=peer("trl", memory["trl"])),
        record(
            "lora_peak_mb_llamafactory", memory["ours"], "MiB", better="lower", peer=peer("factory", memory["factory"])
        ),
        record("sgemm_gflops", peak, "GFLOP/s"),
        record("sgemm_share", share, "share"),
    ]


def _row(number: int, record: dict[str, str]) -> Row:
    asked = "\n".join(part for part in (record["instruction"], record["input"]) if part)
    messages = (Message(role="user", content=asked), Message(role="assistant", content=record["output"]))
    return Row(id=f"row:{number}", messages=messages, source=Source(file="alpaca_en_demo.json", line=number + 1))


def train(command: Sequence[str], job: Path, *more: str) -> dict[str, Any]:
    """What a trainer that is run as `COMMAND JOB MORE` says of itself.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    done = subprocess.run([*command, str(job), *more], capture_output=True, text=True, cwd=REPOSITORY, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _operations(job: Job) -> float:
    """Operations that the job's training needs at least, by the formula of `model/arithmetic.train_seconds`."""
    targets = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    adapter = low_rank(job.config, lambda name: RANK if name.rpartition(".")[2] in targets else 0)
    amount = Amount(tokens=job.tokens, labelled=job.labelled, row_tokens=job.tokens / len(job.value["rows"]))
    return train_seconds(job.config, adapter, amount=amount, flops=1.0)


def _peak_gflops(size: int = 2048, *, tries: int = 15) -> float:
    """The most that fp32 products of `size` x `size` reach with all threads, by the better of torch's two libraries."""
    torch.set_num_threads(settings.threads())
    a, b = torch.randn(size, size), torch.randn(size, size)

    def once(multiply: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> float:
        return 2 * size**3 / _timed(lambda: multiply(a, b)) / 1e9

    return max(once(multiply) for multiply in (torch.mm, product) for _ in range(tries))


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The measures of this topic."""
    return [lambda: speed(data)]
