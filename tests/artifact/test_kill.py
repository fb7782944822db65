"""`kill -9` at any moment: what is there is whole, what was acknowledged is there, what is left over is swept."""

from __future__ import annotations

import os
import random
import select
import signal
from collections.abc import Callable
from pathlib import Path

from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from tests.artifact.making import an_answer, corpus, put

KILLS = 200
SIZE = 2**18


def killed(work: Callable[[int], None], *, after: int, delay_s: float) -> int:
    """Run `work(pipe)` in a fork, kill it a moment after it wrote `after` bytes; returns how many it wrote in all."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        work(write)
        os._exit(0)
    os.close(write)
    told = b""
    while len(told) < after:
        byte = os.read(read, 1)
        assert byte, "the child ended before it was killed"
        told += byte
    select.select([], [], [], delay_s)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while more := os.read(read, 65536):
        told += more
    os.close(read)
    return len(told)


def write_artifacts(root: Path, salt: int) -> Callable[[int], None]:
    """Commits one artifact after another: a byte before the first, and one after each."""

    def _work(pipe: int) -> None:
        os.write(pipe, b".")
        for number in range(1000):
            data = (salt * 1000 + number).to_bytes(8, "big") * (SIZE // 8)
            put(Store(root), files={"a.bin": data[: SIZE // 2], "b/c.bin": data}, artifact=corpus(rows=salt))
            os.write(pipe, b".")

    return _work


def test_two_hundred_kills_while_artifacts_are_written_leave_none_unreadable(store):
    rng = random.Random(7)
    orphans = acknowledged = 0
    for kill in range(KILLS):
        work = write_artifacts(store.root, kill)
        acknowledged += killed(work, after=rng.choice([1, 2, 3]), delay_s=rng.uniform(0, 0.01)) - 1
        left = len(list((store.root / "tmp").iterdir()))
        assert left <= 1
        orphans += left
        assert store.sweep() == left
    assert orphans > KILLS / 10, "the kills came between writes, not during them"
    assert len(store.list()) >= acknowledged > KILLS / 2
    for identity in store.list():
        store.verify(identity)
    assert list((store.root / "tmp").iterdir()) == []


def test_no_acknowledged_answer_is_lost_to_a_kill_and_no_batch_is_torn(tmp_path):
    Ledger.in_folder(tmp_path).close()
    rng = random.Random(7)
    acknowledged = 0
    for kill in range(20):

        def _work(pipe: int, kill: int = kill) -> None:
            ledger = Ledger.in_folder(tmp_path)
            os.write(pipe, b".")
            for batch in range(1000):
                start = (kill * 1000 + batch) * 5
                ledger.record_answers([an_answer(start + number) for number in range(5)])
                os.write(pipe, b".")

        acknowledged += killed(_work, after=rng.choice([1, 3, 5]), delay_s=rng.uniform(0, 0.01)) - 1
    ledger = Ledger.in_folder(tmp_path)
    count = ledger.verify()
    ledger.close()
    assert count % 5 == 0
    assert count >= acknowledged * 5 > 20
