"""One record a figure, and the file of a room that holds them."""

from __future__ import annotations

import datetime as dt
import json
import statistics
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from math import comb
from pathlib import Path
from typing import Any, Literal

from seekloop.system import provenance, settings
from seekloop.system.files import write_whole

__all__ = ["REPOSITORY", "Peer", "Record", "median_interval", "median_of", "median_record", "run", "wilson"]

REPOSITORY = Path(__file__).parent.parent
Z = 1.959963984540054
"""97.5 % point of the standard normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """What the same figure is elsewhere, measured in the same run."""

    name: str
    version: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Record:
    """One figure as it was measured, whether or not it was reached."""

    name: str
    value: float
    unit: str
    better: Literal["higher", "lower"]
    n: int
    """Runs, rows or trials behind the figure."""
    ci: tuple[float, float] | None = None
    """95 % interval; None where the figure is a count."""
    peer: Peer | None = None
    model: str | None = None
    data: str | None = None
    seed: int | None = None
    threads: int = settings.threads()


def run(room: str, measures: Iterable[Callable[[], Sequence[Record]]]) -> None:
    """Measure, print each figure, and write `benchmarks/ROOM.json` after each measure.

    Figures of the file that this run does not measure stay as they are, with the date and commit of their own run.
    """
    path = REPOSITORY / "benchmarks" / f"{room}.json"
    records = {one["name"]: one for one in json.loads(path.read_text("utf-8"))} if path.exists() else {}
    for measure in measures:
        for record in measure():
            records[record.name] = _stamped(record, command=f"make bench-{room}")
            interval = "" if record.ci is None else f", 95 % interval {record.ci[0]:.4g} to {record.ci[1]:.4g}"
            print(f"{record.name}: {record.value:.4g} {record.unit} (n = {record.n}{interval})", flush=True)
        path.parent.mkdir(exist_ok=True)
        write_whole(path, (json.dumps(list(records.values()), ensure_ascii=False, indent=2) + "\n").encode())


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the median: the order statistics whose ranks are the quantiles of binomial(n, 1/2)."""
    ordered, n = sorted(values), len(values)
    cumulated, rank = 0.0, 0
    while rank < n // 2 and cumulated + comb(n, rank) / 2**n <= 0.025:
        cumulated += comb(n, rank) / 2**n
        rank += 1
    lower = max(rank - 1, 0)
    return ordered[lower], ordered[n - 1 - lower]


def median_record(
    name: str, values: Sequence[float], *, unit: str, better: Literal["higher", "lower"], **facts: Any
) -> Record:
    """The median of repeated measurements with its interval; `facts` are further fields of the record."""
    return Record(
        name=name,
        value=statistics.median(values),
        unit=unit,
        better=better,
        n=len(values),
        ci=median_interval(values),
        **facts,
    )


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson, 1927)."""
    share, z2 = successes / n, Z**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * ((share * (1 - share) + z2 / (4 * n)) / n) ** 0.5
    return (middle - half if successes else 0.0), (middle + half if successes < n else 1.0)


def median_of(measure: Callable[[], float], *, runs: int) -> tuple[float, tuple[float, float]]:
    """Median of `runs` measurements, and its interval."""
    values = [measure() for _ in range(runs)]
    return statistics.median(values), median_interval(values)


def _stamped(record: Record, *, command: str) -> dict[str, Any]:
    value = asdict(record)
    value["ratio"] = record.value / record.peer.value if record.peer and record.peer.value else None
    value["hardware"] = provenance.hardware()
    value["date"] = dt.datetime.now(dt.UTC).date().isoformat()
    value["commit"] = _commit()
    value["code"] = provenance.code_version()
    value["command"] = command
    return value


def _commit() -> str:
    """The commit that was measured; `+` where files were changed since."""
    described = ["git", "describe", "--always", "--dirty=+", "--abbrev=12"]
    done = subprocess.run(described, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "none"
