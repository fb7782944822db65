"""Replay: train rows of the rounds before, trained again so that old skills are not forgotten.

A row counts once, however often it was replayed since, and where a later round said something else of the same prompt,
the later one counts. What is held in memory is ids, at most as many as can be chosen for a label, and keys of prompts.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from seekloop.artifact.rows import Row
from seekloop.data.replay_spec import ReplaySpec
from seekloop.data.reservoir import Reservoir
from seekloop.data.wording import asked
from seekloop.text.shingles import keys

__all__ = ["Draw", "Trained", "drawn", "parts"]

_at_once = 4096
_unbounded = 2**62


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What one round trained."""

    dataset: str
    """Id of its dataset."""
    rows: Callable[[], Iterable[Row]]
    """Its train rows; asked for twice."""


@dataclass
class Draw:
    """Which rows are replayed, and what became of the others."""

    chosen: frozenset[str]
    """Ids of the rows."""
    rounds: Sequence[Trained]
    """The newest first: a row is taken from the first that has it."""
    eligible: int
    """Rows that could be replayed, each counted once."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Rows that cannot, by reason: `said_anew` by this round or `replaced` by a later one, `withdrawn`."""

    def __len__(self) -> int:
        return len(self.chosen)

    def rows(self) -> Iterator[Row]:
        """The rows, the newest round's first, in its order; `meta` says which dataset each is from."""
        wanted = set(self.chosen)
        for trained in self.rounds:
            for row in trained.rows() if wanted else ():
                if row.id in wanted:
                    wanted.remove(row.id)
                    yield row.model_copy(update={"meta": {**row.meta, "replayed_from": trained.dataset}})


def drawn(rounds: Sequence[Trained], spec: ReplaySpec, *, new: Collection[bytes], fresh: int, seed: int) -> Draw:
    """Draw the rows to replay.

    Args:
        rounds: what was trained, the newest round first.
        spec: how, and how many.
        new: prompt keys of this round's rows (`shingles.keys`): what they say anew is not replayed.
        fresh: this round's own train rows, for `ratio`.
        seed: draws another sample.

    Returns:
        At most as many as asked for: fewer where fewer can be replayed.
    """
    bound = min(_unbounded if one is None else one for one in (spec.at_most, spec.rows))
    held: dict[str, Reservoir] = {}
    counts: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for row in _eligible(rounds, spec, new=new, left_out=left_out):
        stratum = (row.label or "") if spec.method == "by_class" else ""
        counts[stratum] += 1
        held.setdefault(stratum, Reservoir(bound, seed=seed)).offer(row.id)
    wanted = min(bound, _wanted(spec, eligible=counts.total(), fresh=fresh))
    shares = parts(counts, wanted, weights=spec.weights)
    chosen = frozenset(identity for stratum, part in shares.items() for identity in held[stratum].ids()[:part])
    return Draw(chosen=chosen, rounds=rounds, eligible=counts.total(), left_out=left_out)


def parts(counts: Mapping[str, int], wanted: int, *, weights: str) -> dict[str, int]:
    """How many rows of each label: seats by Sainte-Lague's method (1910), and never more than a label has.

    Args:
        counts: label -> rows that it has.
        wanted: rows in all; where there are fewer, all of them.
        weights: `equal`, or `sqrt` of a label's rows.
    """
    given = dict.fromkeys(counts, 0)
    weight = {label: 1.0 if weights == "equal" else math.sqrt(count) for label, count in counts.items()}
    queue = [(-weight[label] / 0.5, label) for label, count in counts.items() if count]
    heapq.heapify(queue)
    for _ in range(min(wanted, sum(counts.values()))):
        _, label = heapq.heappop(queue)
        given[label] += 1
        if given[label] < counts[label]:
            heapq.heappush(queue, (-weight[label] / (given[label] + 0.5), label))
    return given


def _wanted(spec: ReplaySpec, *, eligible: int, fresh: int) -> int:
    if spec.rows is not None:
        return spec.rows
    if spec.share is not None:
        return round(spec.share * eligible)
    ratio = spec.ratio or 0.0
    return round(ratio / (1 - ratio) * fresh)


def _eligible(
    rounds: Sequence[Trained], spec: ReplaySpec, *, new: Collection[bytes], left_out: Counter[str]
) -> Iterator[Row]:
    """Rows that may be replayed, each once."""
    without: set[str | None] = {*spec.without}
    said: set[bytes] = set()
    known: set[str] = set()
    for trained in rounds:
        here: set[bytes] = set()
        ids: set[str] = set()
        stream = iter(trained.rows())
        while some := list(itertools.islice(stream, _at_once)):
            for row, key in zip(some, keys([asked(row) for row in some]), strict=True):
                if row.id in known:
                    continue
                here.add(key)
                ids.add(row.id)
                reason = _reason(row, key, without=without, new=new, said=said)
                if reason is None:
                    yield row
                else:
                    left_out[reason] += 1
        said |= here
        known |= ids


def _reason(
    row: Row, key: bytes, *, without: Collection[str | None], new: Collection[bytes], said: Collection[bytes]
) -> str | None:
    """Why a row is not replayed; None: it may be."""
    if row.id in without or row.origin in without or row.subject in without:
        return "withdrawn"
    if key in new:
        return "said_anew"
    return "replaced" if key in said else None
