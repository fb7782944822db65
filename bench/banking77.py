"""The whole loop on all 77 intents of Banking77: real customers' wording, by a recipe and a config alone.

make bench-banking77 DATA=FOLDER         FOLDER holds the data set's train.csv or train.csv.gz
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import harness
from bench.harness import REPOSITORY, Record

__all__ = ["RECIPE", "measure"]

SEEKLOOP = str(Path(sys.executable).with_name("seekloop"))
RECIPE = "banking77_smollm2-135m_lora_cpu"
PROJECT = REPOSITORY / "runs" / "banking77"


def measure(folder: Path) -> Sequence[Record]:
    """Make the project and run its first round; going on with it where a run was stopped before."""
    if not (PROJECT / "seekloop.yaml").exists():
        source = next(path for name in ("train.csv.gz", "train.csv") if (path := folder / name).exists())
        init = [SEEKLOOP, "init", str(PROJECT), "--recipe", RECIPE, "--data", str(source)]
        subprocess.run(init, check=True)
    done = subprocess.run([SEEKLOOP, "run", "--project", str(PROJECT), "--json"], stdout=subprocess.PIPE, check=True)
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
            data="banking77, 77 intents",
            seed=receipt.get("seed"),
        )
    ]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("error: which folder holds Banking77?\nhint: make bench-banking77 DATA=FOLDER")
    harness.run("banking77", [lambda: measure(Path(sys.argv[1]))])
