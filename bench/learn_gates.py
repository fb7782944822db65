"""The sequential gate: how often it promotes what is no better, how often it finds five points, in how many answers.

Needs no data. A run is 40 batches of 50 answers a side, judged after every batch by the rule `shown_better` of the gate
(`metrics.betting`), until it promotes. Production: two sides of different answers, the first of one beside the first of
the other. The offline gate: both models on the same rows. The same answers are judged in the same run by the other
tests that one might take: those that are always valid for their power, and the z-test for what peeking does to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.harness import Peer, Record, median_interval, wilson
from seekloop.metrics.betting import evidence_gain
from seekloop.metrics.sequential import Tally, evidence_below

__all__ = ["fixed_rows", "judged", "measures", "simulate"]

SEED, RUNS, BATCHES, BATCH, DELTA = 7, 2000, 40, 50, 0.05
RATE, GAIN = 0.80, 0.05
MOST = BATCHES * BATCH
NEEDED = math.log(1 / DELTA)
SLOW_RUNS, SLOW_EVERY = 200, 4
"""The rollouts' evidence is a minimum over laws, one call a look: fewer runs, and every fourth look."""
Floats = NDArray[np.float64]
Sides = tuple[Floats, Floats]


def simulate(runs: int, *, gain: float, seed: int, shared: float = 0.0) -> Sides:
    """Right answers (0 or 1) of candidate and parent, each of shape (runs, MOST).

    Args:
        runs: how many.
        gain: points that the candidate is right more often.
        seed: of this simulation.
        shared: chance that a row is as hard for one as for the other; 0: the sides answered different questions.
    """
    chance = np.random.default_rng([SEED, seed])
    shape = (runs, MOST)
    mine = chance.random(shape)
    theirs = np.where(chance.random(shape) < shared, mine, chance.random(shape)) if shared else chance.random(shape)
    return (mine < RATE + gain).astype(np.float64), (theirs < RATE).astype(np.float64)


def judged(sides: Sides) -> Mapping[str, NDArray[np.bool_]]:
    """Test -> whether it says better, after each batch; shape (runs, BATCHES)."""
    mine, theirs = sides
    difference = mine - theirs
    won, lost = (_after_batches((difference == sign).astype(np.float64)) for sign in (1, -1))
    n = BATCH * np.arange(1, BATCHES + 1)
    return {
        "betting": evidence_gain(won, lost, tied=n - won - lost) >= NEEDED,
        "normal mixture": _normal_mixture(won - lost, n) >= NEEDED,
        "empirical Bernstein": _empirical_bernstein(difference)[:, BATCH - 1 :: BATCH] >= NEEDED,
        "z": _z(_after_batches(mine), _after_batches(theirs), n) >= NormalDist().inv_cdf(1 - DELTA),
    }


def fixed_rows(*, gain: float = GAIN, power: float = 0.8) -> int:
    """Answers a side that one look of a one-sided z-test needs (Fleiss 1981, without the continuity correction)."""
    normal = NormalDist()
    z = normal.inv_cdf(1 - DELTA) + normal.inv_cdf(power)
    variance = RATE * (1 - RATE) + (RATE + gain) * (1 - RATE - gain)
    return math.ceil(z * z * variance / (gain * gain))


def false_promotes() -> Sequence[Record]:
    """Share of runs in which a candidate that is as good as the parent is ever promoted."""
    told = (
        f"as good as the parent ({RATE:.0%} right), looked at after each of {BATCHES} batches of {BATCH} answers a side"
    )
    production, rows = (judged(simulate(RUNS, gain=0.0, seed=1 + place, shared=s)) for place, s in enumerate((0, 0.7)))
    naive = float(production["z"].any(axis=1).mean())
    peer = Peer(name="one-sided z-test at 0.05, peeked at as often", version="textbook", value=naive)
    return [
        _share("aa_false_promote", production["betting"], better="lower", data=told, peer=peer),
        _share("aa_false_promote_same_rows", rows["betting"], better="lower", data=f"{told}, on the same rows"),
        _share("aa_false_promote_peeked_z", production["z"], better="lower", data=told),
        _share("aa_false_promote_rollout", _rollouts(gain=0.0, seed=3), better="lower", data=_slow(told)),
    ]


def power() -> Sequence[Record]:
    """Share of runs in which five points are found within the stated answers, by each test that may be peeked at."""
    told = f"{RATE + GAIN:.0%} right against {RATE:.0%}, at most {MOST} answers a side, looked at after each {BATCH}"
    sides = simulate(RUNS, gain=GAIN, seed=11)
    found = judged(sides)
    once = fixed_rows()
    held = _z_once(sides, once)
    peer = Peer(name=f"z-test looked at once, after {once} answers a side", version="textbook", value=held)
    rows = judged(simulate(RUNS, gain=GAIN, seed=12, shared=0.7))
    records = [
        _share("ab_power", found["betting"], better="higher", data=told, peer=peer),
        _share("ab_power_same_rows", rows["betting"], better="higher", data=f"{told}, on the same rows"),
        _share("ab_power_normal_mixture", found["normal mixture"], better="higher", data=told),
        _share("ab_power_empirical_bernstein", found["empirical Bernstein"], better="higher", data=told),
        _share("ab_power_rollout", _rollouts(gain=GAIN, seed=11), better="higher", data=_slow(told)),
    ]
    for name, table in (("ab_answers_to_promote", found["betting"]), ("ab_rows_to_promote", rows["betting"])):
        taken = [BATCH * (int(run.argmax()) + 1) for run in table if run.any()]
        records.append(_median(name, taken, data=told, peer=once))
    return records


def measures(_data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The figures of this file; the folder of data sets is not looked at."""
    return [false_promotes, power]


def _normal_mixture(total: Floats, n: NDArray[np.int64]) -> Floats:
    """ln of Robbins' one-sided normal mixture for differences from -1 to 1, at its best where five points show.

    Howard, Ramdas, McAuliffe and Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences".
    """
    rho = 1 / GAIN**2
    scale = n + rho
    cdf = 0.5 * (1 + _erf(total / np.sqrt(2 * scale)))
    return np.asarray(0.5 * np.log(rho / scale) + total**2 / (2 * scale) + np.log(2 * cdf))


def _empirical_bernstein(difference: Floats) -> Floats:
    """ln of the predictable plug-in empirical Bernstein martingale after each row, values scaled to 0 to 1.

    Waudby-Smith and Ramdas 2024, section 3.2.
    """
    values = (difference + 1) / 2
    t = np.arange(1, values.shape[1] + 1)
    mean = (0.5 + values.cumsum(axis=1)) / (t + 1)
    variance = (0.25 + ((values - mean) ** 2).cumsum(axis=1)) / (t + 1)
    before, spread = (
        np.hstack([np.full((len(values), 1), start), of[:, :-1]]) for start, of in ((0.5, mean), (0.25, variance))
    )
    bet = np.minimum(0.5, np.sqrt(2 * NEEDED / (spread * t * np.log1p(t))))
    cost = 4 * (values - before) ** 2 * (-np.log1p(-bet) - bet) / 4
    return np.asarray((bet * (values - 0.5) - cost).cumsum(axis=1))


def _z(mine: Floats, theirs: Floats, n: NDArray[np.int64]) -> Floats:
    pooled = (mine + theirs) / (2 * n)
    spread = np.sqrt(2 * pooled * (1 - pooled) * n)
    return np.asarray(np.divide(mine - theirs, spread, out=np.zeros_like(mine), where=spread > 0))


def _z_once(sides: Sides, n: int) -> float:
    mine, theirs = (one[:, :n].sum(axis=1, keepdims=True) for one in sides)
    return float((_z(mine, theirs, np.array([n])) >= NormalDist().inv_cdf(1 - DELTA)).mean())


def _rollouts(*, gain: float, seed: int) -> NDArray[np.bool_]:
    """What the rollouts' evidence says of some of the runs."""
    mine, theirs = (_after_batches(one[:SLOW_RUNS])[:, SLOW_EVERY - 1 :: SLOW_EVERY] for one in _first(gain, seed))
    n = BATCH * SLOW_EVERY * np.arange(1, mine.shape[1] + 1)
    said = [
        [evidence_below(Tally(b, int(k)), Tally(a, int(k))) >= NEEDED for a, b, k in zip(one, other, n, strict=True)]
        for one, other in zip(mine, theirs, strict=True)
    ]
    return np.array(said)


def _first(gain: float, seed: int) -> Sides:
    return simulate(SLOW_RUNS, gain=gain, seed=seed)


def _after_batches(values: Floats) -> Floats:
    """Totals after each batch."""
    return np.asarray(values.reshape(len(values), BATCHES, BATCH).sum(axis=2).cumsum(axis=1))


def _erf(x: Floats) -> Floats:
    return np.asarray(np.vectorize(math.erf)(x))


def _slow(told: str) -> str:
    return f"{told}; looked at after every {SLOW_EVERY}th batch"


def _share(
    name: str,
    table: NDArray[np.bool_],
    *,
    better: Literal["higher", "lower"],
    data: str,
    peer: Peer | None = None,
) -> Record:
    count, n = int(table.any(axis=1).sum()), len(table)
    facts: dict[str, Any] = {"unit": "share", "better": better, "n": n, "ci": wilson(count, n), "data": data}
    return Record(name=name, value=count / n, peer=peer, seed=SEED, threads=1, **facts)


def _median(name: str, taken: Sequence[int], *, data: str, peer: int) -> Record:
    fixed = Peer(name="z-test looked at once, for power 0.8", version="textbook", value=float(peer))
    facts: dict[str, Any] = {"unit": "answers", "better": "lower", "n": len(taken), "ci": median_interval(taken)}
    value = float(np.median(taken))
    return Record(
        name=name, value=value, peer=fixed, data=f"{data}; of runs that found it", seed=SEED, threads=1, **facts
    )


if __name__ == "__main__":
    for measure in measures(Path()):
        for record in measure():
            print(record.name, round(record.value, 4), record.unit, record.ci, record.n, record.peer)
