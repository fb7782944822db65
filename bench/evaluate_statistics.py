"""Whether the statistics keep their word: intervals that cover, verdicts that do not cry wolf, and that do see.

Everything is simulated, seeded, and needs no data set. Coverage is counted over means, shares, macro-F1 and corpus BLEU
of 30 to 500 rows; scipy's BCa and percentile bootstrap look at the same draws. False alarms are counted of the whole
verdict (`measure`, then `decide`) between two models that are alike, five figures declared at once.
"""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.foundation import scratch
from bench.harness import Peer, Record, wilson
from bench.peers import peer_python
from seekloop.evaluate.compare import Pair, measure
from seekloop.evaluate.compare_spec import CompareSpec
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.verdict import Verdict, decide
from seekloop.metrics import resampling, significance, sums
from seekloop.metrics.power import rows_to_decide
from seekloop.metrics.sums import Sums

__all__ = ["Cell", "cells", "measures"]

SEED, TRIALS, PEER_TRIALS, RESAMPLES = 7, 1000, 150, 500
SIMULATIONS, VERDICT_RESAMPLES = 2000, 400
SCIPY = ("scipy==1.17.1", "numpy")
ROWS = (30, 100, 500)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One statistic of one population at one n."""

    name: str
    n: int
    truth: float
    draw: Callable[[np.random.Generator, int], Sums]
    kind: str
    """share: Wilson. bounded: between 0 and 1. free: any number."""

    def covers(self, chance: np.random.Generator, *, trial: int) -> tuple[bool, Sums]:
        """Whether the interval of a fresh sample holds the truth."""
        sample = self.draw(chance, self.n)
        if self.kind == "share":
            low, high = significance.wilson(int(sample.parts[:, 0].sum()), self.n)
        else:
            make = resampling.interval if self.kind == "bounded" else resampling.studentised
            low, high = make(sample, resamples=RESAMPLES, seed=trial)
        return low <= self.truth <= high, sample


def means(sample: Callable[[np.random.Generator, int], Array]) -> Callable[[np.random.Generator, int], Sums]:
    """Samples of a mean."""
    return lambda chance, n: sums.mean(sample(chance, n))


def classes(count: int, accuracy: float) -> Callable[[np.random.Generator, int], Sums]:
    """Samples of macro-F1: so many classes, equally common; wrong answers are any of them."""
    table = np.eye(count, dtype=np.bool_)

    def draw(chance: np.random.Generator, n: int) -> Sums:
        expected = chance.integers(count, size=n)
        answered = np.where(chance.random(n) < accuracy, expected, chance.integers(count, size=n))
        right, given = table[expected], table[answered]
        return sums.class_mean(right & given, given, expected=right, figure="f1", average="macro")

    return draw


def texts(chance: np.random.Generator, n: int) -> Sums:
    """Samples of corpus BLEU: lengths 5 to 30, matches that grow rarer by order, and vary from row to row."""
    length, quality = chance.integers(5, 31, n), chance.beta(3, 2, n)
    counted = [length - order for order in range(4)]
    matched = [chance.binomial(length, quality)]
    for order in range(1, 4):
        matched.append(chance.binomial(np.minimum(matched[-1], counted[order]), quality))
    reference = np.maximum(1, length + chance.integers(-2, 6, n))
    return sums.bleu(np.stack([*matched, *counted, reference], axis=1).astype(np.float64))


def _hits(chance: np.random.Generator, n: int, *, share: float) -> Array:
    return (chance.random(n) < share).astype(np.float64)


def cells() -> Iterator[Cell]:
    """The populations, each at every n; what has no closed form takes its truth from 400,000 rows."""
    chance = np.random.default_rng(SEED)

    def of(name: str, draw: Callable[[np.random.Generator, int], Sums], *, truth: float, kind: str) -> Iterator[Cell]:
        return (Cell(name, n, truth, draw, kind) for n in ROWS)

    yield from of("mean of scores, beta(2, 1)", means(lambda c, n: c.beta(2, 1, n)), truth=2 / 3, kind="bounded")
    yield from of("mean of scores, beta(0.5, 5)", means(lambda c, n: c.beta(0.5, 5, n)), truth=1 / 11, kind="bounded")
    lengths = means(lambda c, n: c.lognormal(3, 0.6, n))
    yield from of("mean length, lognormal(3, 0.6)", lengths, truth=float(np.exp(3 + 0.18)), kind="free")
    for share in (0.03, 0.1, 0.5, 0.9, 0.97):
        draw = means(functools.partial(_hits, share=share))
        yield from of(f"share {share}", draw, truth=share, kind="share")
    for count, accuracy in ((3, 0.9), (10, 0.6), (10, 0.95)):
        draw = classes(count, accuracy)
        truth = draw(chance, 400_000).observed
        yield from of(f"macro-F1, {count} classes, {accuracy}", draw, truth=truth, kind="bounded")
    yield from of("corpus BLEU", texts, truth=texts(chance, 400_000).observed, kind="bounded")


def coverage() -> Sequence[Record]:
    """Share of samples whose 95 % interval holds the truth: over all cells, and in the worst ones."""
    found: dict[str, float] = {}
    with scratch() as folder:
        held = []
        for number, cell in enumerate(cells()):
            chance = np.random.default_rng([SEED, number])
            trials = [cell.covers(chance, trial=trial) for trial in range(TRIALS)]
            found[f"{cell.name}, n = {cell.n}"] = float(np.mean([covered for covered, _ in trials]))
            if cell.kind != "share":
                held.append(_for_peer(folder, number, cell, [sample.parts for _, sample in trials[:PEER_TRIALS]]))
        peers = _scipy(folder, held)
    whole = float(np.mean(list(found.values())))
    worst, best = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
    within = sum(0.93 <= one <= 0.97 for one in found.values())
    ends = f"lowest {found[worst]:.3f} ({worst}), highest {found[best]:.3f} ({best})"
    told = f"{len(found)} cells of {TRIALS} samples; {ends}"
    for name, share in found.items():
        print(f"{name}: {share:.3f}", flush=True)
    alone = [share for cell, share in zip(cells(), found.values(), strict=True) if cell.kind != "share"]
    facts: dict[str, Any] = {"unit": "share", "better": "higher", "data": told, "seed": SEED, "threads": 1}
    n = TRIALS * len(found)

    def scipy(value: str) -> Peer:
        return Peer(name=f"scipy.stats.bootstrap, {value}, without shares", version="1.17.1", value=peers[value])

    return [
        Record(name="bootstrap_coverage", value=whole, n=n, ci=wilson(int(whole * n), n), **facts),
        Record(
            name="bootstrap_coverage_without_shares",
            value=float(np.mean(alone)),
            n=TRIALS * len(alone),
            peer=scipy("BCa"),
            **facts,
        ),
        Record(name="bootstrap_coverage_lowest", value=min(alone), n=TRIALS, peer=scipy("BCa lowest"), **facts),
        Record(name="bootstrap_cells_within", value=within / len(found), n=len(found), **facts),
    ]


def _for_peer(folder: Path, number: int, cell: Cell, samples: Sequence[Array]) -> dict[str, object]:
    np.save(folder / f"{number}.npy", np.stack(samples))
    form = "bleu" if cell.name == "corpus BLEU" else "macro_f1" if cell.name.startswith("macro") else "mean"
    return {"file": str(folder / f"{number}.npy"), "truth": cell.truth, "form": form}


def _scipy(folder: Path, held: Sequence[Mapping[str, object]]) -> dict[str, float]:
    (folder / "cells.json").write_text(json.dumps(held), "utf-8")
    command = [str(peer_python("scipy", SCIPY)), "-c", SCIPY_RUN, str(folder / "cells.json"), str(RESAMPLES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1800)
    found: dict[str, float] = json.loads(done.stdout)
    return found


DECLARED = CompareSpec(
    primary="accuracy",
    guards={"macro_f1": 0.03, "exact_match": 0.03, "rougeL_en": 0.03, "ends_by_itself": 0.03},
)


def answers(chance: np.random.Generator, n: int, *, gain: float = 0.0, per_group: int = 1) -> list[Pair]:
    """Two models' answers to n rows of ten labels: right in 80 % each, more often together than by chance.

    Args:
        chance: where randomness comes from.
        n: rows.
        gain: share of rows that only the first gets right beyond what both do.
        per_group: rows of a conversation; they share how hard they are for either model.
    """
    hard = np.repeat(chance.random((2, -(-n // per_group))), per_group, axis=1)[:, :n]
    both = chance.random(n) < 0.5
    own = np.where(chance.random((2, n)) < (0.0 if per_group == 1 else 0.8), hard, chance.random((2, n)))
    own[1] = np.where(both, own[0], own[1])
    right = own < np.array([[0.8 + gain], [0.8]])
    score = np.clip(np.where(right, 0.8, 0.4) + chance.normal(0, 0.15, (2, n)), 0, 1)
    exact, ended = right & (chance.random((2, n)) < 0.6), chance.random((2, n)) < 0.97
    labels = chance.integers(10, size=n)
    wrong = (labels + chance.integers(1, 10, size=(2, n))) % 10

    def scored(row: int, side: int) -> Scored:
        return Scored(
            row=f"row:{row}",
            label=f"label {labels[row]}",
            got_label=f"label {labels[row] if right[side, row] else wrong[side, row]}",
            correct=bool(right[side, row]),
            expected="right",
            got="right" if exact[side, row] else "wrong",
            reference_text="right",
            text="",
            rougeL=float(score[side, row]),
            finish_reason="stop" if ended[side, row] else "length",
            completion_tokens=1,
            language="en",
        )

    return [(scored(row, 0), scored(row, 1)) for row in range(n)]


def verdicts(
    count: int, n: int, *, seed: int, gain: float = 0.0, per_group: int = 1, grouped: bool = True
) -> Iterator[Verdict]:
    """Verdicts of so many simulated comparisons."""
    groups = {f"row:{row}": f"group {row // per_group}" for row in range(n)} if grouped and per_group > 1 else {}
    for trial in range(count):
        chance = np.random.default_rng([SEED, seed, trial])
        pairs = answers(chance, n, gain=gain, per_group=per_group)
        declared = ("accuracy", *DECLARED.guards)
        measured = measure(pairs, seed=trial, resamples=VERDICT_RESAMPLES, groups=groups, only=declared)
        yield decide(DECLARED, measured, baseline="report:0")


def false_alarms() -> Sequence[Record]:
    """Share of verdicts better or worse between two models that are alike; rows alone, and in groups of four."""
    told = "five figures declared at once; accuracy 0.8, ten labels"
    runs = (
        ("ab_false_alarm", 200, 1, True, f"{told}, 200 rows"),
        (
            "ab_false_alarm_grouped",
            200,
            4,
            True,
            f"{told}, 50 conversations of 4 rows that are right or wrong together",
        ),
        ("ab_false_alarm_groups_ignored", 200, 4, False, "the same conversations, their rows taken as independent"),
    )
    records = []
    for number, (name, n, per_group, grouped, data) in enumerate(runs):
        count = SIMULATIONS if number == 0 else SIMULATIONS // 4
        found = verdicts(count, n, seed=number, per_group=per_group, grouped=grouped)
        alarms = sum(one.state in ("better", "worse") for one in found)
        records.append(_share(name, alarms, n=count, better="lower", data=data))
    return records


def power() -> Sequence[Record]:
    """Share of verdicts `better` where the first model gains ten points, and what the promised rows give."""
    gain, pilot, count = 0.1, 50, 400
    found = sum(one.state == "better" for one in verdicts(count, 300, seed=10, gain=gain))
    half = _half_width(gain, pilot)
    interval, declared = (gain - half, gain + half), 1 + len(DECLARED.guards)
    wanted = rows_to_decide(interval, n=pilot, margin=DECLARED.margin, questions=declared)
    told = ("better", "not_worse")
    reached = sum(one.outcomes[0].state in told for one in verdicts(count, wanted, seed=11, gain=gain))
    return [
        _share("verdict_power", found, n=count, better="higher", data="gain of 10 points on 300 rows, five figures"),
        _share(
            "rows_to_decide_power",
            reached,
            n=count,
            better="higher",
            data=f"better or not worse on the {wanted} rows that a pilot of {pilot} asks for, promised 0.8",
        ),
    ]


def _half_width(gain: float, n: int) -> float:
    """Mean half-width of the interval of a pilot."""
    chances = (np.random.default_rng([SEED, 12, trial]) for trial in range(40))
    pilots = [measure(answers(chance, n, gain=gain), seed=0, resamples=100, only=["accuracy"]) for chance in chances]
    widths = [one.ci for pilot in pilots for one in pilot if one.figure == "accuracy"]
    return float(np.mean([(high - low) / 2 for low, high in widths]))


def _share(name: str, count: int, *, n: int, better: Literal["higher", "lower"], data: str) -> Record:
    return Record(
        name=name,
        value=count / n,
        unit="share",
        better=better,
        n=n,
        ci=wilson(count, n),
        data=data,
        seed=SEED,
        threads=1,
    )


def measures(_data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The figures of this file; the folder of data sets is not looked at."""
    return [coverage, false_alarms, power]


SCIPY_RUN = """
import json, sys
import numpy as np
from scipy.stats import bootstrap
def mean(values, ones, axis=-1):
    return values.sum(axis) / ones.sum(axis)
def macro_f1(*parts, axis=-1):
    sums = np.stack([one.sum(axis) for one in parts])
    k = len(parts) // 3
    hits, answered, support = sums[:k], sums[k:2*k], sums[2*k:]
    f1 = np.divide(2 * hits, answered + support, out=np.zeros_like(hits), where=answered + support > 0)
    return (f1 * (support > 0)).sum(0) / np.maximum((support > 0).sum(0), 1)
def bleu(*parts, axis=-1):
    sums = np.stack([one.sum(axis) for one in parts])
    precision = np.log(np.maximum(sums[:4], .5) / np.maximum(sums[4:8], 1)).mean(0)
    return np.exp(precision + np.minimum(0, 1 - sums[8] / sums[4]))
forms, found = {"mean": mean, "macro_f1": macro_f1, "bleu": bleu}, {"BCa": [], "percentile": []}
for cell in json.load(open(sys.argv[1])):
    for method in found:
        hits = []
        for number, sample in enumerate(np.load(cell["file"])):
            got = bootstrap(tuple(sample.T), forms[cell["form"]], paired=True, vectorized=True, method=method,
                            n_resamples=int(sys.argv[2]), rng=np.random.default_rng(number)).confidence_interval
            hits.append(got.low <= cell["truth"] <= got.high)
        found[method].append(float(np.mean(hits)))
told = {method: float(np.mean(cells)) for method, cells in found.items()}
print(json.dumps(told | {f"{method} lowest": min(cells) for method, cells in found.items()}))
"""
