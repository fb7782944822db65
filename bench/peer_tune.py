"""Run by the interpreter of a peer: trains one job as that peer does, and prints what it did as one line of JSON.

`python peer_tune.py trl|llamafactory JOB.json`, the job as `bench/tune_speed.py` writes it. Token ids and labels go in
as they are: TRL takes rows that are tokenised already, LLaMA-Factory a tokenised data set on disk.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback

__all__: list[str] = []


class Watch(TrainerCallback):
    """Seconds from the beginning of training to its end, and the loss of each step."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.seconds = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        self.seconds = -time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Stop the clock."""
        self.seconds += time.perf_counter()

    def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, float], **__: Any) -> None:
        """Keep the loss."""
        if "loss" in logs:
            self.losses.append(float(logs["loss"]))


def trl(job: dict[str, Any], rows: list[dict[str, Any]], *, watch: Watch, folder: str) -> str:
    """TRL's SFTTrainer on a PEFT model; returns its version."""
    library = importlib.import_module("trl")
    bits = BitsAndBytesConfig(**job["bitsandbytes"]) if "bitsandbytes" in job else None
    model = AutoModelForCausalLM.from_pretrained(job["base"], dtype=torch.float32, quantization_config=bits)
    model = importlib.import_module("peft").PeftModel.from_pretrained(model, job["adapter"], is_trainable=True)
    options = {**_common(job, folder), "train_sampling_strategy": "sequential", **job["trl"]}
    trainer = library.SFTTrainer(
        model=model,
        args=library.SFTConfig(**options),
        train_dataset=importlib.import_module("datasets").Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(job["base"]),
        callbacks=[watch],
    )
    trainer.train()
    return str(library.__version__)


def llamafactory(job: dict[str, Any], rows: list[dict[str, Any]], *, watch: Watch, folder: str) -> str:
    """LLaMA-Factory's supervised stage; returns its version."""
    # It imports torchaudio for rows with sound, of which there are none here; no build of it fits a torch for CPUs.
    sound = types.ModuleType("torchaudio")
    sound.__spec__ = importlib.machinery.ModuleSpec("torchaudio", loader=None)
    sys.modules["torchaudio"] = sound
    sets = importlib.import_module("datasets")
    rows = [{**row, "attention_mask": [1] * len(row["input_ids"])} for row in rows]
    sets.DatasetDict({"train": sets.Dataset.from_list(rows)}).save_to_disk(f"{folder}/rows")
    options = {
        **_common(job, folder),
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": job["base"],
        "adapter_name_or_path": job["adapter"],
        "finetuning_type": "lora",
        "template": "chatml",
        "dataset": "identity",
        "tokenized_path": f"{folder}/rows",
        "disable_shuffling": True,
        "infer_dtype": "float32",
    }
    importlib.import_module("llamafactory.train.tuner").run_exp(options, callbacks=[watch])
    return str(importlib.import_module("llamafactory.extras.env").VERSION)


def _common(job: dict[str, Any], folder: str) -> dict[str, Any]:
    """Arguments that both hand to transformers' trainer."""
    return {
        "output_dir": f"{folder}/out",
        "per_device_train_batch_size": job["rows_per_step"],
        "max_steps": job["steps"],
        "learning_rate": job["learning_rate"],
        "lr_scheduler_type": "constant",
        "max_grad_norm": 1.0,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
        "seed": job["seed"],
    }


def main(name: str, path: Path) -> None:
    """Train, print."""
    job = json.loads(path.read_text("utf-8"))
    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["seed"])
    ordered = [job["rows"][index] for index in job["order"]]
    rows = [{"input_ids": row["ids"], "labels": row["labels"]} for row in ordered]
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        version = {"trl": trl, "llamafactory": llamafactory}[name](job, rows, watch=watch, folder=folder)
    status = Path("/proc/self/status").read_text("utf-8").splitlines()
    peak = int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024
    losses = watch.losses[: job["steps"]]
    print(json.dumps({"seconds": watch.seconds, "losses": losses, "peak_mb": peak, "version": version}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
