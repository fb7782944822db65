"""Names of people, places and organisations: recall, precision and F1 by kind, on sentences that nothing was tuned on.

A gold span counts as found where one finding of its kind covers all of it; a finding is right where it touches a gold
span of its kind. On Presidio's set streets are neither asked for nor held against anybody.
`python -m bench.data_names DATA` prints the tables of the guide.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bench import harness
from bench.data_pii import PEERS, PRESIDIO_FILE
from bench.harness import REPOSITORY, Peer, Record
from bench.names_gold import held_out
from bench.peers import peer_python
from bench.pii_gold import Gold
from seekloop.text.pii.kinds import NAMES
from seekloop.text.pii.names import NameFinder, open_recognizers

__all__ = ["measures"]

SEED = 11
PRESIDIO_KINDS = {"PERSON": "person", "GPE": "place", "ORGANIZATION": "organisation", "STREET_ADDRESS": ""}
FINDERS: dict[str, tuple[str, ...]] = {"zh": ("rules", "jieba"), "en": ("rules", "spacy", "presidio")}
"""Ours first, then its peers."""
Spans = list[tuple[str, int, int]]


@dataclass
class Score:
    """How a finder did."""

    version: str
    seconds: float
    gold: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)

    def recall(self, kind: str) -> float:
        """Share of the gold spans of a kind that were found."""
        return self.found[kind] / max(1, self.gold[kind])

    def precision(self, kind: str) -> float:
        """Share of the findings of a kind that are right."""
        return self.right[kind] / max(1, self.told[kind])

    def f1(self, kind: str) -> float:
        """Harmonic mean of the two."""
        both = self.recall(kind) + self.precision(kind)
        return 2 * self.recall(kind) * self.precision(kind) / both if both else 0.0


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Every figure; those on Presidio's set only where it is in `data`."""
    found: list[Callable[[], Sequence[Record]]] = [lambda: _figures("zh", data), lambda: _figures("en", data)]
    return [*found, lambda: _figures("presidio_set", data)] if (data / PRESIDIO_FILE).exists() else found


def _figures(which: str, data: Path) -> list[Record]:
    mine, *others = (_score(which, who, data) for who in _finders(which))
    peer_name, theirs = _finders(which)[1], others[0]
    shown = PRESIDIO_FILE.as_posix() if which == "presidio_set" else f"held-out {which} sentences, bench/names_gold.py"
    records = []
    for kind in NAMES:
        for figure, hits, n, value in (
            ("recall", mine.found[kind], mine.gold[kind], theirs.recall(kind)),
            ("precision", mine.right[kind], mine.told[kind], theirs.precision(kind)),
        ):
            records.append(
                Record(
                    name=f"names_{figure}_{kind}_{which}",
                    value=hits / max(1, n),
                    unit="share",
                    better="higher",
                    n=n,
                    ci=harness.wilson(hits, max(1, n)),
                    peer=Peer(name=peer_name, version=theirs.version, value=value),
                    data=shown,
                    seed=SEED,
                    threads=1,
                )
            )
    return records


def _finders(which: str) -> tuple[str, ...]:
    return FINDERS["en" if which == "presidio_set" else which]


@cache
def _rows(which: str, data: Path) -> list[Gold]:
    if which != "presidio_set":
        return held_out(which, SEED)
    with gzip.open(data / PRESIDIO_FILE) as file:
        records = json.load(file)
    kinds = PRESIDIO_KINDS
    spans = [[(kinds[s["entity_type"]], s) for s in row["spans"] if s["entity_type"] in kinds] for row in records]
    return [
        Gold(row["full_text"], tuple((kind, span["start_position"], span["end_position"]) for kind, span in found))
        for row, found in zip(records, spans, strict=True)
    ]


@cache
def _score(which: str, who: str, data: Path) -> Score:
    rows = _rows(which, data)
    if who in ("rules", "jieba"):
        return _judged(rows, *_ours(who, [row.text for row in rows]))
    return _judged(rows, *_theirs("presidio-names" if who == "presidio" else who, [row.text for row in rows]))


def _ours(who: NameFinder, texts: Sequence[str]) -> tuple[list[Spans], float, str]:
    (finder,) = open_recognizers([who])
    finder.find(texts[:5])
    start = time.process_time()
    found = [[(one.kind, one.start, one.end) for one in spans] for spans in finder.find(texts)]
    version = importlib.metadata.version(who) if who != "rules" else ""
    return found, time.process_time() - start, version


def _theirs(who: str, texts: Sequence[str]) -> tuple[list[Spans], float, str]:
    python = peer_python(*PEERS["presidio"])
    command: list[str | Path] = [python, REPOSITORY / "bench" / "peer_pii.py", who]
    done = subprocess.run(command, input=json.dumps(list(texts)), capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return [[tuple(one) for one in spans] for spans in result["spans"]], result["seconds"], result["version"]


def _judged(rows: Sequence[Gold], found: Iterable[Spans], seconds: float, version: str) -> Score:
    score = Score(version, seconds)
    for row, findings in zip(rows, found, strict=True):
        for kind, start, end in row.spans:
            score.gold[kind] += 1
            score.found[kind] += any(name == kind and first <= start and end <= last for name, first, last in findings)
        for name, first, last in findings:
            touched = [kind for kind, start, end in row.spans if start < last and first < end]
            if touched != [""]:
                score.told[name] += 1
                score.right[name] += name in touched
    return score


def main() -> None:
    """Print the tables of the guide: recall / precision / F1."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    for which in ("zh", "en", *(("presidio_set",) if (data / PRESIDIO_FILE).exists() else ())):
        scores = {who: _score(which, who, data) for who in _finders(which)}
        print(f"\n{which}, {len(_rows(which, data))} rows\n\n| kind | n | {' | '.join(scores)} |")
        for kind in NAMES:
            cells = (
                f"{one.recall(kind):.2f} / {one.precision(kind):.2f} / {one.f1(kind):.2f}" for one in scores.values()
            )
            print(f"| `{kind}` | {next(iter(scores.values())).gold[kind]} | {' | '.join(cells)} |")
        for who, one in scores.items():
            print(f"{who} {one.version}: {len(_rows(which, data)) / one.seconds:.0f} rows/s")


if __name__ == "__main__":
    main()
