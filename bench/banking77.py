"""The whole loop on all 77 intents of Banking77: real customers' wording, by a recipe and a config alone.

`make bench-banking77 DATA=FOLDER`: FOLDER holds `train.csv.gz`, `test.csv` and `categories.json`. Killed, it goes on
where it stopped. Flags after the folder of `python -m bench.banking77 FOLDER` reach `seekloop run`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import harness
from bench.harness import REPOSITORY, Record
from seekloop.loop.project import Project

__all__ = ["RECIPE", "config", "measure"]

SEEKLOOP = str(Path(sys.executable).with_name("seekloop"))
RECIPE = "banking77_smollm2-135m_lora_cpu"
PROJECT = REPOSITORY / "runs" / "banking77"


def measure(folder: Path, *flags: str) -> Sequence[Record]:
    """Write the project's config beside the recipe, and run its first round."""
    if not (PROJECT / "seekloop.yaml").exists():
        Project.create(PROJECT, config(folder))
    command = [SEEKLOOP, "run", "--project", str(PROJECT), "--json", *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    receipt = json.loads(done.stdout)
    text = json.dumps(receipt, ensure_ascii=False, indent=2) + "\n"
    (REPOSITORY / "benchmarks" / "banking77_receipt.json").write_text(text, "utf-8")
    interval = receipt["intervals"]["tuned"]["accuracy"]
    return [
        Record(
            name="banking77_77_accuracy_lora",
            value=receipt["accuracy"]["tuned"],
            unit="share",
            better="higher",
            n=interval["n"],
            ci=tuple(interval["ci"]),
            model="smollm2-135m",
            data=" ".join(["banking77, 77 intents", *flags]),
            seed=Project.open(PROJECT).spec.seed,
        )
    ]


def config(folder: Path) -> dict[str, Any]:
    """All that the project says beside its recipe: where the files are, split as they were published."""
    files = (("train.csv.gz", "train"), ("test.csv", "test"))
    sources = [{"path": str((folder / name).resolve()), "split": split} for name, split in files]
    return {"recipe": RECIPE, "data": {"sources": sources, "labels": str((folder / "categories.json").resolve())}}


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("error: which folder holds Banking77?\nhint: make bench-banking77 DATA=FOLDER")
    harness.run("banking77", [lambda: measure(Path(sys.argv[1]), *sys.argv[2:])])
