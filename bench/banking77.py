"""The whole loop on all 77 intents of Banking77: real customers' wording, by a recipe and a config alone.

`make bench-banking77 DATA=FOLDER`: FOLDER/banking77 holds `train.csv.gz`, `test.csv` and `categories.json`. Fifteen
training messages of each intent are held back: they are the customers of production. Killed, it goes on where it
stopped. `KEY=VALUE` after the folder of `python -m bench.banking77 FOLDER` changes the project.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench import harness
from bench.harness import REPOSITORY, Record
from seekloop.app.console import reporter
from seekloop.app.traffic import Customer
from seekloop.app.walk import walk
from seekloop.loop.project import Project

__all__ = ["RECIPE", "config", "hold_back", "measure"]

RECIPE = "banking77_smollm2-135m_lora_cpu"
PROJECT = REPOSITORY / "runs" / "banking77"
HEADER = ("text", "category")
CUSTOMERS_PER_INTENT = 15
Message = tuple[str, str]
"""A customer's wording and its intent."""


def measure(folder: Path, *changes: str) -> Sequence[Record]:
    """Write the project's config beside the recipe, and walk the loop through it."""
    with gzip.open(folder / "train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        train, production = hold_back((row["text"], row["category"]) for row in csv.DictReader(file))
    if not (PROJECT / "seekloop.yaml").exists():
        _write(PROJECT / "data" / "train.csv", train)
        Project.create(PROJECT, config(folder))
    project = Project.open(PROJECT, changes=changes)
    ctx = project.context(progress=reporter())
    receipt = walk(project, [Customer(text, label, "") for text, label in production], ctx=ctx)
    ctx.ledger.close()
    text = json.dumps(receipt | {"changes": changes}, ensure_ascii=False, indent=2) + "\n"
    (REPOSITORY / "benchmarks" / "banking77_receipt.json").write_text(text, "utf-8")
    return [_record(form, receipt, changes=changes, seed=project.spec.seed) for form in ("base", "tuned", "round2")]


def hold_back(messages: Iterable[Message]) -> tuple[list[Message], list[Message]]:
    """What is trained, in its order, and what production will ask: of each intent the messages of lowest digest."""
    by_intent: defaultdict[str, list[Message]] = defaultdict(list)
    messages = list(dict.fromkeys(messages))
    for message in messages:
        by_intent[message[1]].append(message)
    ranked = (sorted(group, key=_digest)[:CUSTOMERS_PER_INTENT] for group in by_intent.values())
    held = {message for group in ranked for message in group}
    return [message for message in messages if message not in held], sorted(held, key=_digest)


def config(folder: Path) -> dict[str, Any]:
    """All that the project says beside its recipe: where the files are, split as they were published."""
    test = {"path": str((folder / "test.csv").resolve()), "split": "test"}
    sources = [{"path": "data/train.csv", "split": "train"}, test]
    return {"recipe": RECIPE, "data": {"sources": sources, "labels": str((folder / "categories.json").resolve())}}


def _record(form: str, receipt: dict[str, Any], *, changes: Sequence[str], seed: int) -> Record:
    interval = receipt["intervals"][form]["accuracy"]
    return Record(
        name="banking77_77_accuracy_lora" if form == "tuned" else f"banking77_77_accuracy_{form}",
        value=receipt["accuracy"][form],
        unit="share",
        better="higher",
        n=interval["n"],
        ci=tuple(interval["ci"]),
        model="smollm2-135m",
        data=" ".join(["banking77, 77 intents", *changes]),
        seed=seed,
    )


def _digest(message: Message) -> bytes:
    return hashlib.sha256("\x1f".join(message).encode()).digest()


def _write(path: Path, messages: Iterable[Message]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER, *messages])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("error: which folder holds Banking77?\nhint: make bench-banking77 DATA=FOLDER-ABOVE-IT")
    harness.run("banking77", [lambda: measure(Path(sys.argv[1]), *sys.argv[2:])])
