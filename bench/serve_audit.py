"""The audit of answers: rows a second that become durable with their texts encrypted, events a second that are
verified, answers that are read back, and how long it takes to erase a person.

The peer is the same ledger with texts in clear, in the same run: what encryption costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.foundation import scratch
from bench.harness import Peer, Record, median_interval, median_record
from seekloop import __version__
from seekloop.artifact.ledger import Answer, Ledger
from seekloop.artifact.payloads import subject_name

__all__ = ["measures"]

BATCH, ROWS, SUBJECTS, RUNS = 256, 20_480, 500, 5
DATA = f"answers of some 400 characters from {SUBJECTS} users, batches of {BATCH}, SQLite, synchronous=FULL"


def measures(_data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Every measure of this topic."""
    return [throughput, verification, erasure]


def answers(count: int, *, first: int = 0) -> list[Answer]:
    """Answers of a realistic size."""
    return [
        Answer(
            id=f"ans_{number:032x}",
            release="release:" + "0" * 64,
            at="2026-01-01T00:00:00+00:00",
            caller="app",
            messages=[
                {"role": "user", "content": f"My card {number} has not arrived and I would like to know why. " * 2}
            ],
            content=f"card_arrival\nI am sorry to hear that, customer {number}. It is on its way to you. " * 3,
            finish_reason="stop",
            prompt_tokens=40,
            completion_tokens=60,
            first_token_ms=12.5,
            total_ms=180.25,
            decoding={"max_tokens": 256, "temperature": 0.0, "top_p": 1.0, "seed": 0, "stop": []},
            subject=subject_name("bank", "app", str(number % SUBJECTS)),
        )
        for number in range(first, first + count)
    ]


def throughput() -> Sequence[Record]:
    """Rows a second from `record_answers` in batches, each durable before the next, beside texts in clear."""
    sealed: list[float] = []
    clear: list[float] = []
    for run in range(RUNS):
        # Turn about, so that whatever else the machine does falls on both.
        for rates, encrypted in ((sealed, True), (clear, False)) if run % 2 else ((clear, False), (sealed, True)):
            rates.append(_rate(encrypted=encrypted))
    peer = Peer(name="seekloop, texts in clear", version=__version__, value=sorted(clear)[RUNS // 2])
    return [median_record("audit_rows_per_s", sealed, unit="rows/s", better="higher", peer=peer, data=DATA, threads=1)]


def _rate(*, encrypted: bool) -> float:
    with scratch() as folder:
        if encrypted:
            ledger = Ledger.in_folder(folder)
        else:
            ledger = Ledger.open(f"sqlite:///{folder / 'ledger.db'}", key=b"k" * 32)
        batches = [answers(BATCH, first=first) for first in range(0, ROWS, BATCH)]
        start = time.perf_counter()
        for batch in batches:
            ledger.record_answers(batch)
        rate = ROWS / (time.perf_counter() - start)
        ledger.close()
    return rate


def verification() -> Sequence[Record]:
    """Events a second of `verify`: every signature, payload and index row, and SQLite's own check."""
    rates = []
    with scratch() as folder:
        ledger = Ledger.in_folder(folder)
        for first in range(0, ROWS, BATCH):
            ledger.record_answers(answers(BATCH, first=first))
        for _ in range(RUNS):
            start = time.perf_counter()
            count = ledger.verify()
            rates.append(count / (time.perf_counter() - start))
        start = time.perf_counter()
        read = len(ledger.answers())
        reading = read / (time.perf_counter() - start)
        ledger.close()
    assert read == ROWS
    return [
        median_record("audit_verify_per_s", rates, unit="events/s", better="higher", data=DATA, threads=2),
        Record(name="audit_read_per_s", value=reading, unit="answers/s", better="higher", n=read, data=DATA, threads=1),
    ]


def erasure() -> Sequence[Record]:
    """Milliseconds to erase one of many users, all of whose texts are gone afterwards."""
    taken = []
    with scratch() as folder:
        ledger = Ledger.in_folder(folder)
        for first in range(0, ROWS, BATCH):
            ledger.record_answers(answers(BATCH, first=first))
        for number in range(20):
            start = time.perf_counter()
            gone = ledger.erase_subject(subject_name("bank", "app", str(number)), actor="bench", reason="measured")
            taken.append((time.perf_counter() - start) * 1000)
            assert gone in (ROWS // SUBJECTS, ROWS // SUBJECTS + 1)
        ledger.verify()
        ledger.close()
    middle = sorted(taken)[len(taken) // 2]
    return [
        Record(
            name="audit_erase_subject_ms",
            value=middle,
            unit="ms",
            better="lower",
            n=len(taken),
            ci=median_interval(taken),
            data=DATA,
            threads=1,
        )
    ]
