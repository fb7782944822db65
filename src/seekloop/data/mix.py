"""Mixing by temperature: each bucket of train rows gets a share p_i proportional to n_i^(1/T), in whole rows.

The exponent is that of multilingual pre-training (Conneau et al. 2020, arXiv:1911.02116, section 3.1; as a temperature
in Arivazhagan et al. 2019, arXiv:1907.05019). Row counts are exact, by largest remainder.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from seekloop.artifact.context import Job
from seekloop.artifact.rows import Row, read_rows, row_id, to_line
from seekloop.data.composing import MixSpec
from seekloop.data.made import made_of
from seekloop.data.wording import asked
from seekloop.system import seeds
from seekloop.text.segment import language_of

__all__ = ["LEFT_OUT", "REPORT", "Mixed", "allocate", "mixed"]

LEFT_OUT = "mix_left_out"
"""Reason of train rows that a bucket's share has no room for."""
REPORT = "mix.json"


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """What mixing changed."""

    dropped: int
    """Rows left out."""
    added: int
    """Copies made."""


def allocate(counts: Mapping[str, int], *, temperature: float, rows: int, max_copies: int) -> dict[str, int]:
    """Rows that each bucket gets: shares proportional to n^(1/T), at most `max_copies` times what it has.

    What a bucket may not take goes to the others by the same weights, so that the sum is `rows` unless every bucket is
    at its limit.

    Args:
        counts: bucket -> rows that it has, n.
        temperature: T, at least 1.
        rows: the sum wanted.
        max_copies: how often a row may stand.
    """
    weights = {name: count ** (1 / temperature) for name, count in counts.items() if count > 0}
    result = dict.fromkeys(counts, 0)
    free, left = set(weights), rows
    while free:
        whole = sum(weights[name] for name in sorted(free))
        full = {name for name in free if left * weights[name] / whole >= max_copies * counts[name]}
        if not full:
            break
        for name in full:
            result[name] = max_copies * counts[name]
            left -= result[name]
        free -= full
    left = max(0, left)
    exact = {name: left * weights[name] / sum(weights[one] for one in sorted(free)) for name in sorted(free)}
    result |= {name: int(share) for name, share in exact.items()}
    short = left - sum(result[name] for name in free)
    for name in sorted(exact, key=lambda name: (result[name] - exact[name], name))[: max(0, short)]:
        result[name] += 1
    return result


def mixed(spec: MixSpec, *, job: Job) -> Mixed:
    """Mix `train.jsonl` of the job: rows left out go to `dropped.jsonl`, copies to the end; `mix.json` reports.

    Copies have ids of their own and name their row in `meta.mixed_from`. The file is streamed: memory holds eight
    bytes a row.

    Args:
        spec: what is evened out, and how far.
        job: the dataset in the making, its splits written.
    """
    train = job.path("train.jsonl")
    seed = seeds.derive(job.ctx.seed, "data", "mix")
    marks: defaultdict[str, array[int]] = defaultdict(lambda: array("Q"))
    bucket = _buckets[spec.by]
    for row in read_rows(train):
        marks[bucket(row)].append(_mark(row, seed))
    counts = {name: len(found) for name, found in sorted(marks.items())}
    wanted = spec.rows if spec.rows is not None else sum(counts.values())
    quotas = allocate(counts, temperature=spec.temperature, rows=wanted, max_copies=spec.max_copies)
    done = _write(train, job, times=_Times(marks, quotas, seed=seed), bucket=bucket)
    text = json.dumps(_report(spec, counts, quotas=quotas, wanted=wanted), ensure_ascii=False, indent=2)
    job.path(REPORT).write_text(text + "\n", "utf-8")
    shares = ", ".join(f"{name or 'none'} {counts[name]} -> {quotas[name]}" for name in counts)
    short = "" if sum(quotas.values()) == wanted else f"; {wanted - sum(quotas.values())} short: every row is repeated"
    job.ctx.progress.say(f"mixed by {spec.by}, temperature {spec.temperature:g}: {shares}{short}")
    return done


class _Times:
    """How often each row stands: as often as its bucket needs, the rows with the lowest hashes once more."""

    def __init__(self, marks: Mapping[str, array[int]], quotas: Mapping[str, int], *, seed: int) -> None:
        self._seed = seed
        self._base: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._more: Counter[str] = Counter()
        for name, found in marks.items():
            self._base[name], more = divmod(quotas[name], len(found))
            self._more[name] = more
            self._last[name] = sorted(found)[more - 1] if more else -1

    def of(self, row: Row, bucket: str) -> int:
        """How often `row` stands; asked once a row."""
        if _mark(row, self._seed) <= self._last[bucket] and self._more[bucket] > 0:
            self._more[bucket] -= 1
            return self._base[bucket] + 1
        return self._base[bucket]


def _write(train: Path, job: Job, *, times: _Times, bucket: Callable[[Row], str]) -> Mixed:
    kept, copies = job.path("kept.jsonl"), job.path("copies.jsonl")
    dropped = added = 0
    with (
        kept.open("w", encoding="utf-8") as stay,
        copies.open("w", encoding="utf-8") as again,
        job.path("dropped.jsonl").open("a", encoding="utf-8") as out,
    ):
        for row in read_rows(train):
            count = times.of(row, bucket(row))
            if count == 0:
                out.write(to_line(row.model_copy(update={"dropped": LEFT_OUT})))
                dropped += 1
                continue
            stay.write(to_line(row))
            again.writelines(map(to_line, _copies(row, count - 1)))
            added += count - 1
    with kept.open("a", encoding="utf-8") as stay, copies.open(encoding="utf-8") as again:
        stay.writelines(again)
    kept.replace(train)
    copies.unlink()
    return Mixed(dropped=dropped, added=added)


def _copies(row: Row, count: int) -> Iterator[Row]:
    for number in range(2, count + 2):
        meta = made_of(row, mixed_from=row.id)
        yield row.model_copy(update={"id": row_id([row.id, "mix", number]), "meta": meta})


def _mark(row: Row, seed: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}\x1f{row.id}".encode(), digest_size=8).digest(), "big")


def _report(spec: MixSpec, counts: Mapping[str, int], *, quotas: Mapping[str, int], wanted: int) -> dict[str, object]:
    whole = sum(quotas.values()) or 1
    buckets = {
        name: {"rows": count, "mixed": quotas[name], "share": round(quotas[name] / whole, 6)}
        for name, count in counts.items()
    }
    return {"by": spec.by, "temperature": spec.temperature, "wanted": wanted, "buckets": buckets}


_buckets: Mapping[str, Callable[[Row], str]] = {
    "language": lambda row: language_of(asked(row)),
    "source": lambda row: str(row.meta.get("source", row.source.file)),
    "file": lambda row: row.source.file,
    "label": lambda row: row.label or "",
}
