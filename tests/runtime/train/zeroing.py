"""A program that tunes a model split by DeepSpeed: `python -m tests.runtime.train.zeroing FOLDER`.

It prints one JSON line a trial; processes are forked as in `together.py`.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import torch

from seekloop.system import provenance
from seekloop.tune.spec import TuneSpec
from tests.runtime.train.killing import SPEC
from tests.runtime.train.splitting import trial


def spec(*, stage: int | None, **changes: Any) -> TuneSpec:
    """The usual run, split by ZeRO; None: not."""
    usual = {**SPEC.model_dump(exclude_unset=True), "keep": "last", "tokens_per_batch": 64, **changes}
    # From the first number on: by itself DeepSpeed leaves small tensors whole, and all of these are small.
    zero = {"stage": stage, "stage3_param_persistence_threshold": 0, "reduce_bucket_size": "auto"}
    config = {"train_micro_batch_size_per_gpu": "auto", "bf16": {"enabled": "auto"}, "zero_optimization": zero}
    return TuneSpec.parse(usual if stage is None else {**usual, "deepspeed": config})


def main(folder: Path) -> None:
    """Each trial in a project of its own."""
    torch.set_num_threads(1)
    provenance.code_version(), provenance.lock_digest()  # read once here, not in every child
    for method in ("lora", "full"):
        trial(folder, f"{method}-alone", processes=1, spec=spec(stage=None, method=method))
        for stage in (2, 3):
            trial(folder, f"{method}-{stage}", processes=2, spec=spec(stage=stage, method=method))
    told = {"at": 4, "number": signal.SIGTERM, "spec": spec(stage=2, method="full")}
    trial(folder, "told", processes=2, then=(2,), **told)
    trial(folder, "to-one", processes=2, then=(1,), **told)
    trial(folder, "killed", processes=2, at=4, spec=spec(stage=3, method="full"), then=(2,))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
