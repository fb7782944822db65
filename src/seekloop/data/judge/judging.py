"""The noise classifier as the data stage uses it: learnt from marked rows or reopened from a parent, then asked.

With the dataset are kept `noise_head.safetensors`, which a later round judges with, and `noise.json`: what it learnt
from, its calibration error and reliability curve, and precision and recall at the threshold, all on rows that the
judging fold did not see.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from seekloop.artifact.rows import Row
from seekloop.data.judge.encoders import Encoder, Novel, Pair, open_encoder
from seekloop.data.judge.head import Head, Trained, train
from seekloop.data.judge.novelty import Novelty
from seekloop.data.judge.planting import KINDS, plant
from seekloop.data.judge_spec import BertClassifier, Classifier, PlantedClassifier
from seekloop.data.unseen import FOLDS
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
_least_planted = 100
_doubted = 0.3
_batch = 16

Floats = NDArray[np.float64]


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
        return float(_shifted(np.array([found]), self.spec.share, learnt=self.learnt_share)[0])

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
        if isinstance(self.encoder, Novel):
            arrays |= {"seen": self.encoder.novelty.counts, "seen_rows": self.encoder.novelty.rows}
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
        DataError: fewer than 20 rows of a side to learn from, or fewer than 100 to plant noise among.
    """
    sides = _sides(spec, rows, noise=noise, clean=clean, seed=seed)
    if isinstance(spec, PlantedClassifier):
        return _planted(spec, sides, seed=seed)
    encoder = open_encoder(spec, root=root)
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
    report = _report(spec, trained, is_noise=is_noise, learnt=share) | {
        "learnt_from": sides.source,
        "encoder": encoder.digest,
    }
    return Judge(spec=spec, encoder=encoder, head=trained.head, learnt_share=share, report=report)


def _planted(spec: PlantedClassifier, sides: Sides, *, seed: int) -> Judge:
    """A judge that learnt from noise planted among the rows; a second time without the rows that the first one doubts.

    Rows that nobody marked hold noise of their own, which must not pass for what the corpus is like.
    """
    texts = [asked(row) for row in sides.clean]
    noise = [asked(row) for row in sides.noise]
    if len(texts) < _least_planted:
        raise DataError("data.few_to_plant", rows=len(texts), least=_least_planted)
    judge, found = _learnt_from_planted(spec, texts, noise=noise, seed=seed)
    trusted = [text for text, probability in zip(texts, found, strict=True) if probability < _doubted]
    if _least_planted <= len(trusted) < len(texts):
        judge, _ = _learnt_from_planted(spec, trusted, noise=noise, seed=seed)
    return replace(judge, report={**judge.report, "doubted_rows": len(texts) - len(trusted)})


def _learnt_from_planted(
    spec: PlantedClassifier, texts: Sequence[str], *, noise: Sequence[str], seed: int
) -> tuple[Judge, Floats]:
    """A judge, and what it says of the texts, shape (n,). Each piece is in the fold of the row that it was made of."""
    names = [key(text) for text in texts]
    pieces = plant(texts, count=len(texts) // 2, seed=seed)
    encoder = Novel(Novelty.of(zip(names, texts, strict=True)))
    planted = [(piece.text, names[piece.source]) for piece in pieces]
    both = [*zip(texts, names, strict=True), *((text, key(text)) for text in noise), *planted]
    is_noise = np.arange(len(both)) >= len(texts)
    vectors = [encoder.vector(text, name=name) for text, name in both]
    trained = train(vectors, is_noise, keys=[name for _, name in both], width=encoder.width)
    share = float(is_noise.mean())
    found = _shifted(trained.probabilities, spec.share, learnt=share)
    kinds, dropped = np.array([piece.kind for piece in pieces]), found[-len(pieces) :] >= spec.threshold
    recall = {kind: round(float(dropped[kinds == kind].mean()), 6) for kind in KINDS if (kinds == kind).any()}
    report = _report(spec, trained, is_noise=is_noise, learnt=share)
    report |= {"learnt_from": "planted", "planted": len(pieces), "planted_recall": recall, "encoder": None}
    return Judge(spec=spec, encoder=encoder, head=trained.head, learnt_share=share, report=report), found[: len(texts)]


def reopen(spec: Classifier, path: Path, *, root: Path, dataset: str) -> Judge | None:
    """The judge of an earlier dataset from its head file; None where it is of another kind.

    Raises:
        DataError: the encoder in the spec's folder is not the one that the head was trained on.
    """
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()["seekloop"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (the file is no mapping)
    if (facts["type"], facts["look"]) != (spec.type, spec.look):
        return None
    seen = isinstance(spec, PlantedClassifier)
    encoder = Novel(Novelty(counts=arrays["seen"], rows=arrays["seen_rows"])) if seen else open_encoder(spec, root=root)
    if encoder.digest != facts["encoder"]:
        raise DataError("data.other_encoder", dataset=digests.short(dataset))
    scales = tuple(Scale(float(slope), float(offset)) for slope, offset in arrays["scales"])
    head = Head(weights=arrays["weights"], bias=arrays["bias"], scales=scales)
    report = facts["report"] | {"reused_from": dataset}
    return Judge(spec=spec, encoder=encoder, head=head, learnt_share=float(facts["share"]), report=report)


def _sides(spec: Classifier, rows: Iterable[Judged], *, noise: Iterable[Row], clean: Iterable[Row], seed: int) -> Sides:
    marked = {True: _Sample(spec, seed), False: _Sample(spec, seed)}
    rest = _Sample(spec, seed)
    plants = isinstance(spec, PlantedClassifier)
    for row, mark, ruled in rows:
        if mark is not None and not (plants and mark is False):
            marked[mark].add(row)
        elif not ruled:
            rest.add(row)
        elif spec.weak:
            marked[True].add(row)
    for side, given in ((True, noise), (False, clean)):
        for row in given:
            marked[side].add(row)
    is_alone = plants or not marked[False].rows
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


def _report(spec: Classifier, trained: Trained, *, is_noise: Any, learnt: float) -> dict[str, Any]:
    """Calibration as it was learnt; precision and recall as rows are judged, at the share of noise that is expected."""
    found = trained.probabilities
    dropped = _shifted(found, spec.share, learnt=learnt) >= spec.threshold
    recall, lost = float(dropped[is_noise].mean()), float(dropped[~is_noise].mean())
    share = learnt if spec.share is None else spec.share
    right = share * recall
    return {
        "type": spec.type,
        "calibrated": True,
        "threshold": spec.threshold,
        "folds": FOLDS,
        "noise_rows": int(is_noise.sum()),
        "clean_rows": int((~is_noise).sum()),
        "ece": round(calibration_error(found, is_noise), 6),
        "expected_share": round(share, 6),
        "precision": round(right / max(right + (1 - share) * lost, 1e-12), 6),
        "recall": round(recall, 6),
        "good_rows_dropped": round(lost, 6),
        "curve": [
            {name: round(value, 6) for name, value in asdict(one).items()} for one in reliability(found, is_noise)
        ],
    }


def _pair(row: Row, spec: Classifier) -> Pair:
    replies = [message.content for message in row.messages if message.role == "assistant"]
    return asked(row), "\n".join(replies) if spec.look == "row" and replies else None


def _key(pair: Pair) -> str:
    return key("\n".join(part for part in pair if part is not None))


def _shifted(found: Floats, share: float | None, *, learnt: float) -> Floats:
    """Probabilities learnt at one share of noise, at another: the odds move with the odds of the two classes.

    Saerens, Latinne and Decaestecker (2002), "Adjusting the outputs of a classifier to new a priori probabilities".
    """
    if share is None:
        return found
    odds = found / np.maximum(1 - found, 1e-12) * (share / (1 - share)) / (learnt / (1 - learnt))
    return odds / (1 + odds)


def _chunks(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    return (pairs[at : at + _batch] for at in range(0, len(pairs), _batch))
