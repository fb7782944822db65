"""Mining a window: how often it alarms where nothing changed, how often it finds what was planted, what people see.

Windows are drawn from Banking77 and from Chinese medical questions; a window and its reference share no row. New
intents are two held-out Banking77 labels. Answers to choose from are those of a naive Bayes classifier that was trained
on the reference.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.harness import Record, wilson
from seekloop.learn import mining
from seekloop.learn.mining.intents import new_intents
from seekloop.learn.mining.nearest import Space, nearest
from seekloop.learn.mining.seen import Seen
from seekloop.learn.mining.selection import select
from seekloop.text.terms import pieces

__all__ = ["measures"]

SEED, RUNS = 7, 100
WINDOW, REFERENCE = 300, 1_200
INTENT_RUNS, INTENT_WINDOW, INTENT_REFERENCE, SHARE = 20, 1_000, 4_000, 0.03
BUDGET = 50
BANKING, MEDICAL = "banking77", "cmedical_dialogue_zh"


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """What `make bench-learn_mine` measures."""
    banking, medical = _banking(data), _medical(data)
    return [
        partial(_drift, banking, of=BANKING, tag="en"),
        partial(_drift, medical, of=MEDICAL, tag="zh"),
        partial(_intents, banking, of=BANKING, tag="en"),
        partial(_selection, banking),
    ]


def _drift(rows: Sequence[Seen], *, of: str, tag: str) -> list[Record]:
    """False alarms on windows of the same rows, and power where one message in five is of one label."""
    spec = mining.MiningSpec()
    alarms = found = 0
    for run in range(RUNS):
        drawn = random.Random(f"{SEED} {run}").sample(rows, WINDOW + REFERENCE)
        window, reference = _told(drawn[:WINDOW], "w"), _told(drawn[WINDOW:], "r")
        alarms += mining.drift(window, reference, spec=spec, seed=run).drifted
        chance = random.Random(f"{SEED} planted {run}")
        label = chance.choice(sorted({one.label or "" for one in rows}))
        planted = chance.choices([one for one in rows if one.label == label], k=WINDOW // 5)
        shifted = _told([*drawn[: WINDOW - len(planted)], *planted], "w")
        found += mining.drift(shifted, reference, spec=spec, seed=run).drifted
    return [
        _share(f"drift_false_alarm_{tag}", alarms, RUNS, better="lower", data=of),
        _share(f"drift_power_20pct_{tag}", found, RUNS, better="higher", data=of),
    ]


def _intents(rows: Sequence[Seen], *, of: str, tag: str) -> list[Record]:
    """Two labels held out of the reference and planted at 3 % of the window each; and windows without any."""
    labels = sorted({one.label or "" for one in rows})
    seen = false = pure = members = recalled = planted_rows = 0
    for run in range(INTENT_RUNS):
        chance = random.Random(f"{SEED} intents {run}")
        new = chance.sample(labels, 2)
        known = [one for one in rows if one.label not in new]
        drawn = chance.sample(known, INTENT_WINDOW + INTENT_REFERENCE)
        count = round(SHARE * INTENT_WINDOW)
        planted = [one for label in new for one in chance.sample([r for r in rows if r.label == label], count)]
        reference, plain = _told(drawn[INTENT_WINDOW:], "r"), _told(drawn[:INTENT_WINDOW], "w")
        false += bool(new_intents(plain, reference))
        window = [*plain, *_told(planted, "n")]
        truth = {one.id: one.label for one in window}
        best: Counter[str | None] = Counter()
        for intent in new_intents(window, reference):
            label, held = Counter(truth[one] for one in intent.members).most_common(1)[0]
            pure, members = pure + held, members + len(intent.members)
            if label in new:
                best[label] = max(best[label], held)
        seen += len(best)
        recalled += sum(best.values())
        planted_rows += 2 * count
    return [
        _share(f"new_intent_found_{tag}", seen, 2 * INTENT_RUNS, better="higher", data=of),
        _share(f"new_intent_recall_{tag}", recalled, planted_rows, better="higher", data=of),
        _share(f"new_intent_purity_{tag}", pure, max(1, members), better="higher", data=of),
        _share(f"new_intent_false_windows_{tag}", false, INTENT_RUNS, better="lower", data=of),
    ]


def _selection(rows: Sequence[Seen]) -> list[Record]:
    """Wrong answers among the first fifty to be reviewed, beside the share in the window: what random choice gives."""
    wrong = chosen = whole = answers = 0
    for run in range(10):
        drawn = random.Random(f"{SEED} selection {run}").sample(rows, 1_000 + INTENT_REFERENCE)
        known = _told(drawn[1_000:], "k")
        guess = _bayes(known)
        window = [
            replace(one, label=guess(one.text), is_right=None, id=f"a{at}") for at, one in enumerate(drawn[:1_000])
        ]
        bad = {one.id for one, true in zip(window, drawn[:1_000], strict=True) if one.label != true.label}
        space = Space.of(window, known)
        picks = select(window, space, near=nearest(space, window), budget=BUDGET)
        wrong, chosen = wrong + sum(one.answer in bad for one in picks), chosen + len(picks)
        whole, answers = whole + len(bad), answers + len(window)
    return [
        _share("review_wrong_in_first_50", wrong, chosen, better="higher", data=BANKING),
        _share("review_wrong_at_random", whole, answers, better="higher", data=BANKING),
    ]


def _bayes(known: Sequence[Seen]) -> Callable[[str], str]:
    """Multinomial naive Bayes over pieces of words: an answerer of its own kind, so that neighbours may disagree."""
    counts: dict[str, Counter[str]] = {}
    sizes: Counter[str] = Counter()
    for one in known:
        label = one.label or ""
        sizes[label] += 1
        counts.setdefault(label, Counter()).update(pieces(one.text))
    totals = {label: sum(table.values()) for label, table in counts.items()}
    vocabulary = len({piece for table in counts.values() for piece in table})

    def guess(text: str) -> str:
        asked = pieces(text)

        def log(label: str) -> float:
            table, total = counts[label], totals[label] + 0.1 * vocabulary
            return math.log(sizes[label]) + sum(math.log((table[piece] + 0.1) / total) for piece in asked)

        return max(sorted(counts), key=log)

    return guess


def _told(rows: Sequence[Seen], prefix: str) -> list[Seen]:
    return [replace(one, id=f"{prefix}{at}") for at, one in enumerate(rows)]


def _share(name: str, count: int, n: int, *, better: str, data: str) -> Record:
    return Record(
        name=name,
        value=count / n,
        unit="share",
        better="lower" if better == "lower" else "higher",
        n=n,
        ci=wilson(count, n),
        data=data,
        seed=SEED,
    )


def _banking(data: Path) -> list[Seen]:
    text = gzip.decompress((data / BANKING / "train.csv.gz").read_bytes()).decode()
    rows = csv.DictReader(io.StringIO(text))
    return [Seen(id=str(at), text=row["text"].strip(), label=row["category"]) for at, row in enumerate(rows)]


def _medical(data: Path) -> list[Seen]:
    text = gzip.decompress(next((data / MEDICAL).glob("*.csv.gz")).read_bytes()).decode("gb18030")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["ask"].strip()]
    common = {name for name, count in Counter(row["department"] for row in rows).items() if count >= 20}
    return [
        Seen(id=str(at), text=row["ask"].strip()[:200], label=row["department"])
        for at, row in enumerate(rows)
        if row["department"] in common
    ]
