"""Ten minutes at ten times a million requests a day: whether memory stays flat and every row is there.

Its own topic because of its length: `python -m bench.serve_soak`.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import harness
from bench.foundation import scratch
from bench.harness import Record
from bench.load import drive
from bench.serve_hotpath import DATA, MODEL, gateway, mock, project, rows_of

__all__ = ["measures"]

RATE = 116.0
"""Ten times a million a day."""
SECONDS, SAMPLE_S = 600.0, 1.0


def measures(data: Path, *, seconds: float = SECONDS) -> list[Callable[[], Sequence[Record]]]:
    """The measures of this topic, which needs no `data`."""
    del data
    return [lambda: soak(seconds)]


def soak(seconds: float) -> list[Record]:
    """Growth of the gateway's memory, from the median of the second fifth of the time to that of the last."""
    with scratch() as folder, mock() as upstream:
        place = project(folder / "project", upstream)
        with gateway(place, processes=2) as ours:
            first = drive(ours, rate=RATE, seconds=min(30.0, seconds))
            over, samples = threading.Event(), list[float]()
            thread = threading.Thread(target=_sample, args=[place.address, samples, over])
            thread.start()
            told = drive(ours, rate=RATE, seconds=seconds, run="soak")
            over.set()
            thread.join()
        rows = rows_of(place)
    fifth = max(1, len(samples) // 5)
    growth = statistics.median(samples[-fifth:]) - statistics.median(samples[fifth : 2 * fifth])
    answered = first.answered + told.answered
    print(
        f"  p50 {told.p50_ms:.2f} ms, p99 {told.p99_ms:.2f} ms, {told.failed} failed; {samples[-1]:.0f} MB at the end"
    )
    figures = {
        "soak_rss_growth_mb": (growth, "MB"),
        "soak_p99_ms": (told.p99_ms, "ms"),
        "soak_failed": (float(told.failed + told.dropped), "requests"),
        "soak_missing_rows": (float(answered - rows), "rows"),
    }
    asked = f"{DATA}; {seconds:g} s at {RATE:g}/s, two processes"
    return [
        Record(name=name, value=value, unit=unit, better="lower", n=answered, model=MODEL, data=asked)
        for name, (value, unit) in figures.items()
    ]


def _sample(address: Path, samples: list[float], over: threading.Event) -> None:
    """Megabytes that the gateway's processes hold, every second."""
    top = int(json.loads(address.read_bytes())["pid"])
    while not over.wait(SAMPLE_S):
        samples.append(sum(_resident(pid) for pid in (top, *_children(top))))


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    harness.run("serve", measures(Path(), seconds=10.0 if "small" in sys.argv[1:] else SECONDS))
