"""QLoRA beside TRL's with bitsandbytes, on the rows of `tune_speed`: peak memory, tokens a second, losses.

There `lora_peak_mb` is the same with the base in full. All start from the same adapter, in processes of their own; ours
runs three times, TRL once between them, which takes seven times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.foundation import scratch
from bench.harness import Peer, Record, median_record
from bench.tune_speed import BASE, DATA, OURS, SEED, Job, apart, train, trl_command

__all__ = ["CASES", "Case", "measures"]

ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Case:
    """How the frozen base is held: by us, and by bitsandbytes."""

    storage: dict[str, Any]
    bitsandbytes: dict[str, Any]


_nf4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": "float32"}
CASES = {
    "qlora": Case(storage={"format": "nf4"}, bitsandbytes=_nf4),
    "qlora_double": Case(
        storage={"format": "nf4", "double": True}, bitsandbytes={**_nf4, "bnb_4bit_use_double_quant": True}
    ),
    "qlora_int8": Case(storage={"format": "int8"}, bitsandbytes={"load_in_8bit": True}),
}


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """One measure a case."""
    return [partial(_measure, data, name) for name in CASES]


def _measure(data: Path, name: str) -> Sequence[Record]:
    case = CASES[name]
    with scratch() as folder:
        job = Job.of(data, folder)
        path = job.changed(name, storage=case.storage, bitsandbytes=case.bitsandbytes)
        ours = [train(OURS, path)]
        theirs = train(trl_command(), path)
        ours += [train(OURS, path) for _ in range(ROUNDS - 1)]
    facts: dict[str, Any] = {"model": BASE, "data": DATA, "seed": SEED}

    def peer(value: Callable[[dict[str, Any]], float]) -> Peer:
        return Peer(name="trl", version=f"{theirs['version']} with bitsandbytes", value=value(theirs))

    def peak(run: dict[str, Any]) -> float:
        return float(run["peak_mb"])

    return [
        median_record(f"{name}_peak_mb", list(map(peak, ours)), unit="MiB", better="lower", peer=peer(peak), **facts),
        median_record(
            f"{name}_tokens_per_s",
            list(map(job.rate, ours)),
            unit="tokens/s",
            better="higher",
            peer=peer(job.rate),
            **facts,
        ),
        Record(
            name=f"{name}_loss_curve_max_delta",
            value=apart(ours[0], theirs),
            unit="nats",
            better="lower",
            n=len(ours[0]["losses"]),
            **facts,
        ),
    ]
