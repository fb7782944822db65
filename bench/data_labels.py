"""Labels: how fast annotations go out and come in, whether agreement figures are exact, what balancing makes.

Peers run on the same file in environments of their own: label-studio-sdk's converter, krippendorff, scikit-learn,
statsmodels and imbalanced-learn.
"""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.foundation import scratch
from bench.harness import Peer, Record, median_of, wilson
from bench.peers import peer_python
from seekloop.artifact.rows import Message, Row, Source
from seekloop.data.augment.resources import Kit
from seekloop.data.augment.rows import variants
from seekloop.data.augment.spec import AugmentSpec
from seekloop.data.balance.smote import smote
from seekloop.data.intents import Example, LabelHead
from seekloop.data.labels.exchange import read_annotations, write_annotations
from seekloop.data.labels.items import Guess, Item, Judgement
from seekloop.data.labels.label_studio import config
from seekloop.data.labels.taxonomy import Taxonomy
from seekloop.metrics.agreement import (
    cohen_kappa,
    counts_of,
    distances,
    fleiss_kappa,
    krippendorff_alpha,
    ordinal_alpha,
)
from seekloop.metrics.significance import Statistic

__all__ = ["measures"]

SEED, ROWS, TABLES, VALUES, VECTORS = 7, 50_000, 50, 5, 400
LABEL_STUDIO = ("label-studio-sdk==2.1.2",)
STATISTICS = (
    "krippendorff==0.9.0",
    "scikit-learn==1.9.1",
    "statsmodels==0.15.0",
    "imbalanced-learn==0.14.2",
)
LABELS = ("refund", "fee", "card", "loan", "address")
_converting = """
import sys, time
from label_studio_sdk.converter import Converter
converter = Converter(config=sys.argv[1], project_dir=None, download_resources=False)
start = time.perf_counter()
converter.convert_to_json_min(sys.argv[2], sys.argv[3], is_dir=False)
print(time.perf_counter() - start)
"""
_measuring = """
import json, sys
import krippendorff, numpy as np
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa
found = []
for table in json.load(open(sys.argv[1])):
    ratings = np.array(table, dtype=float)
    full = ratings.astype(int)
    missing = np.where(ratings < 0, np.nan, ratings).T
    kept = full[(full >= 0).all(axis=1)]
    counts = np.stack([(kept == value).sum(axis=1) for value in range(5)], axis=1)
    one = [krippendorff.alpha(missing, level_of_measurement=level) for level in ("nominal", "ordinal", "interval")]
    two = [cohen_kappa_score(kept[:, 0], kept[:, 1], labels=range(5), weights=w) for w in (None, "linear", "quadratic")]
    found.append([*one, *two, fleiss_kappa(counts)])
print(json.dumps(found))
"""
_smoting = """
import json, sys
import numpy as np
from imblearn.over_sampling import SMOTE
given = json.load(open(sys.argv[1]))
points, wanted = np.array(given["points"]), given["wanted"]
others = np.random.default_rng(0).normal(size=(len(points) + wanted, points.shape[1])) + 100
x = np.vstack([points, others]); y = np.array([1] * len(points) + [0] * len(others))
made, _ = SMOTE(k_neighbors=given["k"], random_state=0).fit_resample(x, y)
print(json.dumps(made[len(x):].tolist()))
"""


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """What there is to measure; `data` holds the shared data sets."""
    return [exchange, exactness, interpolation, lambda: augmentation(data)]


def exchange() -> Sequence[Record]:
    """Seconds to write 50,000 items with two judgements and a guess each as Label Studio tasks, and to read them."""
    items = [_item(number) for number in range(ROWS)]
    with scratch() as folder:
        tasks, back = folder / "tasks.json", folder / "items.jsonl"

        def out() -> float:
            start = time.perf_counter()
            write_annotations(tasks, items, format="label-studio")
            return time.perf_counter() - start

        def convert() -> float:
            start = time.perf_counter()
            write_annotations(back, read_annotations(tasks), format="items")
            return time.perf_counter() - start

        written, written_ci = median_of(out, runs=5)
        _number(tasks)
        converted, converted_ci = median_of(convert, runs=5)
        python = peer_python("label_studio", LABEL_STUDIO)
        xml = folder / "config.xml"
        xml.write_text(config(Taxonomy.flat(LABELS), multi=False), "utf-8")
        peer = float(_run(python, _converting, xml, tasks, folder / "peer").strip().splitlines()[-1])
    facts: dict[str, Any] = {"unit": "s", "better": "lower", "n": 5, "seed": SEED}
    told = Peer(name="label-studio-sdk convert_to_json_min", version=LABEL_STUDIO[0].partition("==")[2], value=peer)
    shown = f"{ROWS} tasks with 2 annotations and 1 prediction"
    return [
        Record(name="label_export_50k_s", value=written, ci=written_ci, data=shown, **facts),
        Record(name="label_convert_50k_s", value=converted, ci=converted_ci, data=shown, peer=told, **facts),
    ]


def exactness() -> Sequence[Record]:
    """Largest difference of alpha (3 scales), Cohen's kappa (3 weights) and Fleiss' kappa from the peers' figures."""
    random = np.random.default_rng(SEED)
    tables = [_ratings(random) for _ in range(TABLES)]
    with scratch() as folder:
        file = folder / "tables.json"
        file.write_text(json.dumps([table.tolist() for table in tables]), "utf-8")
        theirs = np.array(json.loads(_run(peer_python("agreement", STATISTICS), _measuring, file)))
    ours = np.array([_figures(table) for table in tables])
    error = float(np.abs(ours - theirs).max())
    shown = f"{TABLES} random tables of 4 raters and 60 units, a fifth missing, 7 figures each"
    return [
        Record(
            name="agreement_max_error",
            value=error,
            unit="kappa",
            better="lower",
            n=ours.size,
            data=f"{shown}; against {', '.join(STATISTICS[:3])}",
            seed=SEED,
        )
    ]


def interpolation() -> Sequence[Record]:
    """Distance of SMOTE's points from the nearest segment between a vector and one of its neighbours, theirs too."""
    points = np.random.default_rng(SEED).normal(size=(60, 4))
    ours = smote(points, wanted=VECTORS, seed=SEED, k=5).vectors
    with scratch() as folder:
        file = folder / "points.json"
        file.write_text(json.dumps({"points": points.tolist(), "wanted": VECTORS, "k": 5}), "utf-8")
        theirs = np.array(json.loads(_run(peer_python("agreement", STATISTICS), _smoting, file)))
    shown = "60 normal vectors of 4 dimensions, 5 neighbours"
    peer = Peer(name="imbalanced-learn", version=STATISTICS[3].partition("==")[2], value=_off(theirs, points))
    value = _off(ours, points)
    facts: dict[str, Any] = {"unit": "distance", "better": "lower", "n": VECTORS, "seed": SEED}
    return [Record(name="smote_max_distance", value=value, peer=peer, data=shown, **facts)]


def augmentation(data: Path) -> Sequence[Record]:
    """Share of attempts that pass gate and label check on Banking77, rows a second, and how good the check is."""
    train, test = (_banking(data / "banking77" / name) for name in ("train.csv.gz", "test.csv"))
    examples = [Example(str(number), text, label) for number, (text, label) in enumerate(train)]
    head = LabelHead.train(lambda: examples, labels=sorted({label for _, label in train}))
    right = sum(head.label_of(text) == label for text, label in test)
    kit = Kit.of(AugmentSpec())
    rows = [_row(number, text, label) for number, (text, label) in enumerate(train[:: len(train) // 500])]
    start = time.perf_counter()
    tried = [one for row in rows for one in variants(row, kit, seed=SEED, head=head)]
    seconds = time.perf_counter() - start
    made, changed = (sum(one.reason in reasons for one in tried) for reasons in (("made",), _changing))
    facts: dict[str, Any] = {"better": "higher", "data": "banking77", "seed": SEED}
    return [
        Record(
            name="label_check_accuracy",
            value=right / len(test),
            unit="share",
            n=len(test),
            ci=wilson(right, len(test)),
            **facts,
        ),
        Record(
            name="augment_pass_share", value=made / changed, unit="share", n=changed, ci=wilson(made, changed), **facts
        ),
        Record(name="augment_variants_per_s", value=made / seconds, unit="rows/s", n=made, **facts),
    ]


_changing = ("made", "too_far", "label_changed")


def _number(tasks: Path) -> None:
    """Give tasks and annotations what Label Studio's own export has beside: ids and dates."""
    value = json.loads(tasks.read_text("utf-8"))
    for number, task in enumerate(value, start=1):
        task["id"] = number
        for place, one in enumerate(task["annotations"]):
            one |= {"id": 2 * number + place, "updated_at": one["created_at"]}
    tasks.write_text(json.dumps(value, ensure_ascii=False), "utf-8")


def _item(number: int) -> Item:
    said = tuple(
        Judgement(rater=rater, labels=(LABELS[(number * step) % 5],), at="2026-11-22T08:00:00Z", seconds=3.5)
        for rater, step in (("3", 1), ("5", 2))
    )
    text = f"where is my refund number {number}? it has been two weeks since I sent the goods back"
    guess = Guess(labels=(LABELS[number % 5],), score=0.7, model="v1")
    messages = ({"role": "user", "content": text},)
    return Item(id=f"row:{number:016x}", messages=messages, judgements=said, guesses=(guess,), file="a", line=number)


def _row(number: int, text: str, label: str) -> Row:
    source = Source(file="banking77", line=number + 1)
    return Row(id=f"row:{number}", messages=(Message(role="user", content=text),), label=label, source=source)


def _ratings(random: np.random.Generator) -> NDArray[np.int64]:
    """Ratings of 60 units by 4 raters that agree in part; a fifth of them missing, but in the first 30 units."""
    truth = random.integers(VALUES, size=(60, 1))
    said = np.where(random.random((60, 4)) < 0.7, truth, random.integers(VALUES, size=(60, 4)))
    gaps = random.random((60, 4)) < 0.2
    gaps[:30] = False
    return np.where(gaps, -1, said)


def _figures(table: NDArray[np.int64]) -> list[float]:
    counts = counts_of(table, values=VALUES)
    whole = table[(table >= 0).all(axis=1)]
    alphas = [
        krippendorff_alpha(counts, distance=distances(VALUES, "nominal")),
        ordinal_alpha(counts),
        krippendorff_alpha(counts, distance=distances(VALUES, "quadratic")),
    ]
    scales = [distances(VALUES, scale) for scale in ("nominal", "linear", "quadratic")]
    kappas = [cohen_kappa(whole[:, 0], whole[:, 1], distance=scale) for scale in scales]
    fleiss = fleiss_kappa(counts_of(whole, values=VALUES))
    return [_value(one, len(table)) for one in alphas] + [_value(one, len(whole)) for one in (*kappas, fleiss)]


def _value(statistic: Statistic, units: int) -> float:
    return float(statistic(np.ones((1, units)))[0])


def _off(made: NDArray[np.float64], points: NDArray[np.float64]) -> float:
    """The largest distance of a made point from the nearest segment between a vector and one of its 5 nearest."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    near = apart.argsort(axis=1)[:, 1:6]
    start = np.repeat(points, 5, axis=0)
    way = points[near].reshape(-1, points.shape[1]) - start
    step = np.einsum("nsd,sd->ns", made[:, None] - start[None], way) / (way**2).sum(axis=1)
    nearest = start[None] + np.clip(step, 0, 1)[:, :, None] * way[None]
    return float(np.linalg.norm(made[:, None] - nearest, axis=2).min(axis=1).max())


def _banking(path: Path) -> list[tuple[str, str]]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [(row["text"], row["category"]) for row in csv.DictReader(raw.decode("utf-8").splitlines())]


def _run(python: Path, code: str, *arguments: Path) -> str:
    done = subprocess.run([python, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2_000:])
    return done.stdout
