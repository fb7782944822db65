"""The noise classifier as the data stage uses it: learnt from marked rows or reopened from a parent, then asked.

With the dataset are kept `noise_head.safetensors`, which a later round judges with, and `noise.json`: what it learnt
from, its calibration error and reliability curve, and precision and recall at the threshold, all on rows that the
judging fold did not see.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from seekloop.artifact.rows import Row
from seekloop.data.judge.encoders import Encoder, Pair, open_encoder
from seekloop.data.judge.head import FOLDS, Head, Trained, train
from seekloop.data.judge_spec import BertClassifier, Classifier
from seekloop.data.wording import asked
from seekloop.metrics.calibration import Scale, calibration_error, reliability
from seekloop.system import digests, seeds
from seekloop.system.errors import DataError
from seekloop.text.normalize import key

__all__ = ["HEAD", "REPORT", "Judge", "Judged", "Sides", "learn", "reopen"]

HEAD = "noise_head.safetensors"
"""File of a dataset with the head that judged its rows."""
REPORT = "noise.json"
"""File of a dataset with what is known about that head."""
_least = 20
_batch = 16


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What tells noise from the rest."""

    spec: Classifier
    encoder: Encoder
    head: Head | None
    """None: a sequence classifier that is taken at its word."""
    learnt_share: float = 0.5
    """Share of noise among the rows that the head learnt from."""
    report: Mapping[str, Any] = field(default_factory=dict)

    def probability(self, row: Row) -> float:
        """How likely the row is noise, 0 to 1."""
        pair = _pair(row, self.spec)
        vector = self.encoder.vectors([pair])[0]
        if self.head is None:
            return float(Scale(1.0, 0.0)(vector.values.astype(np.float64))[0])
        found = self.head.probability(vector, key=_key(pair))
        if self.spec.share is None:
            return found
        # Saerens, Latinne and Decaestecker (2002): the odds move with the odds of the two classes.
        odds = found / max(1 - found, 1e-12) * _odds(self.spec.share) / _odds(self.learnt_share)
        return odds / (1 + odds)

    def is_noise(self, row: Row) -> float | None:
        """The probability, where it reaches the threshold; None: the row stays."""
        found = self.probability(row)
        return found if found >= self.spec.threshold else None

    def save(self, path: Callable[[str], Path]) -> None:
        """Write the head and the report to `path(NAME)`."""
        path(REPORT).write_bytes(digests.canonical(dict(self.report)))
        if self.head is None:
            return
        facts: dict[str, Any] = {"type": self.spec.type, "look": self.spec.look, "encoder": self.encoder.digest}
        facts |= {"share": self.learnt_share, "report": {k: v for k, v in self.report.items() if k != "reused_from"}}
        arrays = {"weights": self.head.weights, "bias": self.head.bias, "scales": np.array(self.head.scales)}
        save_file(arrays, path(HEAD), metadata={"seekloop": json.dumps(facts, sort_keys=True)})


class Judged(NamedTuple):
    """A row to learn from: what somebody said of it, and whether a rule dropped it."""

    row: Row
    marked: bool | None
    ruled: bool


@dataclass(frozen=True, kw_only=True)
class Sides:
    """Rows to learn from, of both sides, each text once."""

    noise: tuple[Row, ...]
    clean: tuple[Row, ...]
    source: str
    """`marked`, `weak`, or `marked, the rest taken as clean`."""


def learn(
    spec: Classifier, rows: Iterable[Judged], *, noise: Iterable[Row], clean: Iterable[Row], root: Path, seed: int
) -> Judge:
    """Train a judge, or open one that needs no training.

    Args:
        spec: the classifier.
        rows: the corpus, cleaned.
        noise: rows of files that hold noise.
        clean: rows of files that hold none.
        root: where relative folders are.
        seed: chooses rows where there are more than the spec's.

    Raises:
        DataError: fewer than 20 rows of a side to learn from.
    """
    encoder = open_encoder(spec, root=root)
    sides = _sides(spec, rows, noise=noise, clean=clean, seed=seed)
    if isinstance(spec, BertClassifier) and not sides.noise:
        return Judge(spec=spec, encoder=encoder, head=None, report={"type": spec.type, "calibrated": False})
    if min(len(sides.noise), len(sides.clean)) < _least:
        raise DataError("data.few_marks", noise=len(sides.noise), clean=len(sides.clean), least=_least)
    pairs = [_pair(row, spec) for row in (*sides.clean, *sides.noise)]
    is_noise = np.arange(len(pairs)) >= len(sides.clean)
    vectors = [vector for chunk in _chunks(pairs) for vector in encoder.vectors(chunk)]
    try:
        trained = train(vectors, is_noise, keys=[_key(pair) for pair in pairs], width=encoder.width)
    except ValueError as error:
        raise DataError("data.few_marks", noise=len(sides.noise), clean=len(sides.clean), least=_least) from error
    share = len(sides.noise) / len(pairs)
    report = _report(spec, trained, is_noise=is_noise) | {"learnt_from": sides.source, "encoder": encoder.digest}
    return Judge(spec=spec, encoder=encoder, head=trained.head, learnt_share=share, report=report)


def reopen(spec: Classifier, path: Path, *, root: Path, dataset: str) -> Judge | None:
    """The judge of an earlier dataset from its head file; None where it is of another kind.

    Raises:
        DataError: the encoder in the spec's folder is not the one that the head was trained on.
    """
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()["seekloop"])
        arrays = {name: file.get_tensor(name) for name in ("weights", "bias", "scales")}
    if (facts["type"], facts["look"]) != (spec.type, spec.look):
        return None
    encoder = open_encoder(spec, root=root)
    if encoder.digest != facts["encoder"]:
        raise DataError("data.other_encoder", dataset=digests.short(dataset))
    scales = tuple(Scale(float(slope), float(offset)) for slope, offset in arrays["scales"])
    head = Head(weights=arrays["weights"], bias=arrays["bias"], scales=scales)
    report = facts["report"] | {"reused_from": dataset}
    return Judge(spec=spec, encoder=encoder, head=head, learnt_share=float(facts["share"]), report=report)


def _sides(spec: Classifier, rows: Iterable[Judged], *, noise: Iterable[Row], clean: Iterable[Row], seed: int) -> Sides:
    marked = {True: _Sample(spec, seed), False: _Sample(spec, seed)}
    rest = _Sample(spec, seed)
    for row, mark, ruled in rows:
        if mark is not None:
            marked[mark].add(row)
        elif not ruled:
            rest.add(row)
        elif spec.weak:
            marked[True].add(row)
    for side, given in ((True, noise), (False, clean)):
        for row in given:
            marked[side].add(row)
    is_alone = not marked[False].rows
    bad = {_key(_pair(row, spec)) for row in marked[True].rows}
    good = [row for row in (rest if is_alone else marked[False]).rows if _key(_pair(row, spec)) not in bad]
    source = "weak" if spec.weak else "marked, the rest taken as clean" if is_alone else "marked"
    return Sides(noise=tuple(marked[True].rows), clean=tuple(good), source=source)


class _Sample:
    """At most `spec.rows` rows of different texts: those with the lowest hashes, whatever their order."""

    def __init__(self, spec: Classifier, seed: int) -> None:
        self._spec, self._seed = spec, seed
        self._heap: list[tuple[int, str, Row]] = []
        self._keys: set[str] = set()

    @property
    def rows(self) -> list[Row]:
        """The rows, lowest hash first."""
        return [row for _, _, row in sorted(self._heap, key=lambda one: (-one[0], one[1]))]

    def add(self, row: Row) -> None:
        """Take the row, if its hash is low enough and its text is new."""
        name = _key(_pair(row, self._spec))
        if not name or name in self._keys:
            return
        entry = (-seeds.derive(self._seed, name), row.id, row)
        if len(self._heap) < self._spec.rows:
            heapq.heappush(self._heap, entry)
        elif entry[0] > self._heap[0][0]:
            self._keys.discard(_key(_pair(heapq.heapreplace(self._heap, entry)[2], self._spec)))
        else:
            return
        self._keys.add(name)


def _report(spec: Classifier, trained: Trained, *, is_noise: Any) -> dict[str, Any]:
    found = trained.probabilities
    dropped = found >= spec.threshold
    right = int((dropped & is_noise).sum())
    return {
        "type": spec.type,
        "calibrated": True,
        "threshold": spec.threshold,
        "folds": FOLDS,
        "noise_rows": int(is_noise.sum()),
        "clean_rows": int((~is_noise).sum()),
        "ece": round(calibration_error(found, is_noise), 6),
        "precision": round(right / max(int(dropped.sum()), 1), 6),
        "recall": round(right / int(is_noise.sum()), 6),
        "curve": [
            {name: round(value, 6) for name, value in asdict(one).items()} for one in reliability(found, is_noise)
        ],
    }


def _pair(row: Row, spec: Classifier) -> Pair:
    replies = [message.content for message in row.messages if message.role == "assistant"]
    return asked(row), "\n".join(replies) if spec.look == "row" and replies else None


def _key(pair: Pair) -> str:
    return key("\n".join(part for part in pair if part is not None))


def _odds(share: float) -> float:
    return share / (1 - share)


def _chunks(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    return (pairs[at : at + _batch] for at in range(0, len(pairs), _batch))
