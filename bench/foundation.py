"""The house itself: start-up, lost updates, torn writes, exact codecs, and the demo from end to end.

`make bench-foundation` measures everything; `python -m bench.foundation cli kill9` some of it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import codecs, harness
from bench.harness import REPOSITORY, Record
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Corpus
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.system.errors import LedgerError, SeekloopError
from seekloop.system.spec import Spec

__all__ = ["MEASURES"]

SEEKLOOP = Path(sys.executable).with_name("seekloop")
PROCESSES, UPDATES, KILLS = 8, 100, 200


def cli_help() -> Sequence[Record]:
    """Whole-process time of `seekloop --help`."""

    def once() -> float:
        start = time.perf_counter()
        subprocess.run([SEEKLOOP, "--help"], capture_output=True, check=True)
        return time.perf_counter() - start

    once()  # fills the page cache and writes the byte code
    value, interval = harness.median_of(once, runs=20)
    return [Record(name="cli_help_s", value=value, unit="s", better="lower", n=20, ci=interval)]


def lost_updates() -> Sequence[Record]:
    """Moves of one alias by many processes at once, each by compare-and-swap: how many are not in its history."""
    with scratch() as folder:
        Ledger.in_folder(folder).close()
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=_update, args=(folder, number)) for number in range(PROCESSES)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        ledger = Ledger.in_folder(folder)
        kept = {entry.target for entry in ledger.alias_history("production")}
        ledger.verify()
        ledger.close()
    total = PROCESSES * UPDATES
    return [Record(name="registry_lost_updates", value=total - len(kept), unit="updates", better="lower", n=total)]


def _update(folder: Path, number: int) -> None:
    ledger = Ledger.in_folder(folder)
    for update in range(UPDATES):
        while not _moved(ledger, f"release:{number:02d}{update:03d}"):
            continue
    ledger.close()


def _moved(ledger: Ledger, target: str) -> bool:
    current = ledger.alias("production")
    try:
        version = current.version if current else 0
        ledger.move_alias("production", target, expected_version=version, actor="bench", reason="update")
    except LedgerError as error:
        if error.code != "artifact.alias_moved":
            raise
        return False
    return True


class _Spec(Spec):
    """Names an artifact that the kill test writes."""

    number: int = 0


def killed_writes() -> Sequence[Record]:
    """Artifacts that cannot be read whole after their writer was killed at a random moment of the write."""
    unreadable, torn, whole = 0, 0, set[str]()
    chance = random.Random(0)
    with scratch() as folder:
        store = Store(folder / "store")
        start = time.perf_counter()
        _write_one(folder, 0)
        one_write = time.perf_counter() - start
        for kill in range(KILLS):
            _kill_a_writer(folder, first=1 + 1000 * kill, after_s=chance.uniform(0, 2 * one_write))
            torn += len(list((folder / "store" / "tmp").glob("*/*")))
            store.sweep()
            for identity in set(store.list()) - whole:
                unreadable += not _is_readable(store, identity)
                whole.add(identity)
    print(f"{KILLS} kills: {len(whole)} whole artifacts, {torn} files of torn drafts left and swept")
    return [Record(name="artifact_kill9_unreadable", value=unreadable, unit="artifacts", better="lower", n=KILLS)]


def _kill_a_writer(folder: Path, *, first: int, after_s: float) -> None:
    """Fork a process that writes artifacts without end; kill it `after_s` seconds after it began."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"!")
        for number in range(first, first + 1000):
            _write_one(folder, number)
        os._exit(0)
    os.read(reading, 1)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)


def _write_one(folder: Path, number: int) -> None:
    ledger = Ledger.in_folder(folder)
    ctx = RunContext(store=Store(folder / "store"), ledger=ledger, root=folder, work=folder / "work")
    with ctx.job("data", _Spec(number=number)) as job:
        for part in range(4):
            job.path(f"part{part}.jsonl").write_bytes(random.Random(number).randbytes(250_000))
        job.commit(Corpus(made_by=job.origin, rows=0, sources=(), formats=()))
    ledger.close()


def _is_readable(store: Store, identity: str) -> bool:
    try:
        store.verify(identity)
    except SeekloopError as error:
        print(error)
        return False
    return True


def exact_codecs() -> Sequence[Record]:
    """Share of family card x generated row whose training views are exactly what the server sends."""
    outcomes = codecs.outcomes()
    exact = sum(outcomes)
    return [
        Record(
            name="codec_families_exact",
            value=exact / len(outcomes),
            unit="share",
            better="higher",
            n=len(outcomes),
            ci=harness.wilson(exact, len(outcomes)),
            data="generated rows",
            seed=codecs.SEED,
        )
    ]


def demo() -> Sequence[Record]:
    """The demo, from an empty project folder and a filled model cache."""
    with scratch() as folder:
        command = [str(SEEKLOOP), "demo", "--out", str(folder / "demo"), "--json"]
        start = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        wall = time.perf_counter() - start
    receipt = json.loads(done.stdout)
    (REPOSITORY / "benchmarks" / "demo_receipt.json").write_bytes(done.stdout)
    facts: dict[str, Any] = {"model": "smollm2-135m", "data": "shipped bank-support sample", "seed": 7}
    records = [Record(name="demo_wall_s", value=wall, unit="s", better="lower", n=1, **facts)]
    for form in ("base", "tuned"):
        interval = receipt["intervals"][form]["accuracy"]
        records.append(
            Record(
                name=f"demo_accuracy_{form}",
                value=receipt["accuracy"][form],
                unit="share",
                better="higher",
                n=interval["n"],
                ci=interval["ci"],
                **facts,
            )
        )
    return records


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk that projects are on (never a memory file system), removed afterwards."""
    (REPOSITORY / "runs").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=REPOSITORY / "runs"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


MEASURES = {"cli": cli_help, "updates": lost_updates, "kill9": killed_writes, "codecs": exact_codecs, "demo": demo}


if __name__ == "__main__":
    harness.run("foundation", [MEASURES[name] for name in sys.argv[1:] or MEASURES])
