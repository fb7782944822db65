"""Memory and time of one tuning run before it starts, on this machine: from the rows' lengths, nothing loaded."""

from __future__ import annotations

import importlib.util
import math
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seekloop.model.arithmetic import ALONE, PASS_TOKENS, Amount, train_seconds
from seekloop.model.codec import View
from seekloop.model.devices import Machine
from seekloop.model.families import FamilyCard
from seekloop.model.memory import LIBRARIES, Load, Part, peak, total
from seekloop.model.trained import Trained
from seekloop.system import provenance, seeds, settings
from seekloop.system.lazy import resolve
from seekloop.system.memory import free_bytes
from seekloop.tune.advise import rules, slower
from seekloop.tune.counting import base_bytes, draws, rounded_weights, trained_by
from seekloop.tune.soft_spec import LastLayersMethod
from seekloop.tune.spec import TuneSpec

__all__ = ["Census", "Crowd", "Forecast", "census", "crowd", "forecast", "later_epochs", "local_machine"]

_looked_at = 40
"""Steps that are cut up."""
_repeated = 0.05
"""What a shared prefix keeps for each further row: keys and values alone, of all that a token keeps."""


_rounded_a_second = 4e8
"""Weights that one thread folds and rounds in a second: 7 to 9e8 were measured for rounding, 10e8 for folding."""


@dataclass(frozen=True, kw_only=True)
class Census:
    """Lengths of the train rows, as the codec renders them."""

    rows: tuple[tuple[tuple[int, int], ...], ...]
    """Tokens and labelled tokens of each view of each row."""
    prefix: int
    """Tokens that all views begin with."""

    @property
    def tokens(self) -> int:
        """Of one epoch, padding and sharing aside."""
        return sum(tokens for row in self.rows for tokens, _ in row)

    @property
    def views(self) -> int:
        """Views of all rows."""
        return sum(len(row) for row in self.rows)

    @property
    def longest(self) -> int:
        """Tokens of the longest view."""
        return max((tokens for row in self.rows for tokens, _ in row), default=0)

    @property
    def labelled(self) -> int:
        """Tokens of one epoch that are trained."""
        return sum(labelled for row in self.rows for _, labelled in row)


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """What is in the model at one time, and altogether."""

    tokens: int
    """Most padded tokens at one time, over all workers, in the terms of `kept_a_token`."""
    labelled: int
    """Labelled tokens among them."""
    rows: int
    """Views at that time."""
    several: bool
    """A worker has more than one micro-batch a step."""
    all_tokens: int
    """Tokens that are computed in the whole run: with padding, a shared prefix once."""
    all_labelled: int
    batches: int
    """Micro-batches of the whole run."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run will take."""

    parts: tuple[Part, ...]
    """Of the peak of resident memory of the process."""
    seconds: float
    """Of the optimizer steps."""
    trained: Trained
    """By the method."""

    @property
    def memory(self) -> int:
        """Bytes."""
        return total(list(self.parts))


def local_machine() -> Machine:
    """This machine: its free memory, and the speed of matrix products now."""
    facts, share = provenance.hardware(), rules()["local_efficiency"]
    free = free_bytes() or int(facts["memory_mib"]) * 2**20
    threads = settings.threads()
    measured = _flops(threads)
    taken = rules()["assumed"]["memory_free"]
    return Machine(
        name=f"{facts['cpu']}, {threads} threads",
        memory=round(free * taken),
        flops=measured * share,
        source=f"sgemm measured now: {measured / 1e9:,.0f} GFLOP/s x {share} (assumed share in a step; "
        f"--probe measures it); {free / 2**30:,.1f} GiB free x {taken}",
        local=True,
        workers=threads,
    )


def census(rows: Iterable[Sequence[View]]) -> Census:
    """Count rows; holds two numbers a row.

    Args:
        rows: the views of each train row.
    """
    lengths: list[tuple[tuple[int, int], ...]] = []
    shared: tuple[int, ...] | None = None
    for row in rows:
        lengths.append(tuple((len(view.ids), sum(label >= 0 for label in view.labels)) for view in row))
        for view in row:
            begin = next((place for place, label in enumerate(view.labels) if label >= 0), len(view.ids))
            shared = _common(view.ids[: max(0, begin - 1)], shared)
    return Census(rows=tuple(lengths), prefix=len(shared or ()))


def crowd(counted: Census, spec: TuneSpec, *, workers: int, seed: int) -> Crowd:
    """What is in the model at one time, if steps are drawn from these rows and cut up as the trainer does.

    Steps are drawn for at most five epochs, by another generator than the trainer's; the heaviest are cut up, and some
    others, whose padding and sharing stands for that of the run.
    """
    generator = random.Random(seeds.derive(seed, "tune", "crowd"))
    order, steps = list(counted.rows), list[list[tuple[int, int]]]()
    for _ in range(min(spec.epochs, 5)):
        generator.shuffle(order)
        size = spec.rows_per_step
        steps += [[view for row in order[at : at + size] for view in row] for at in range(0, len(order), size)]
    steps.sort(key=lambda step: -sum(tokens for tokens, _ in step))
    stride = max(1, len(steps) // _looked_at)
    cuts = [_cut(step, counted.prefix, budget=spec.tokens_per_batch, workers=workers) for step in steps[::stride]]
    top = cuts + [
        _cut(step, counted.prefix, budget=spec.tokens_per_batch, workers=workers) for step in steps[:_looked_at:2]
    ]
    heaviest = max(top, key=lambda cut: cut.tokens)
    a_step = sum(cut.all_tokens for cut in cuts) / len(cuts)
    whole = spec.epochs * math.ceil(len(order) / spec.rows_per_step)
    count = whole if spec.max_steps is None else min(whole, spec.max_steps)
    return Crowd(
        tokens=heaviest.tokens,
        labelled=heaviest.labelled,
        rows=heaviest.rows,
        several=any(cut.several for cut in top),
        all_tokens=math.ceil(count * a_step),
        all_labelled=math.ceil(count / whole * spec.epochs * counted.labelled),
        batches=math.ceil(count * sum(cut.parts for cut in cuts) / len(cuts)),
    )


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """One step, cut up: the first four of what is in the model when most is, the others of the whole step."""

    tokens: int
    labelled: int
    rows: int
    several: bool
    """A worker has more than one part."""
    all_tokens: int
    parts: int


def _cut(step: Sequence[tuple[int, int]], prefix: int, *, budget: int, workers: int) -> _Cut:
    """The trainer's own cutting decides, on views of these lengths that share their first `prefix` tokens."""
    # Resolved here because torch comes with it, and only a plan with rows needs it.
    share_out = resolve("seekloop.runtime.train.batching:share_out")
    views = [
        View(row=str(index), turn=0, ids=(0,) * same + (index + 1,) * (tokens - same), labels=labels)
        for index, (tokens, labelled) in enumerate(step)
        for same in (min(prefix, tokens - 1),)
        for labels in ((-100,) * (tokens - labelled) + (1,) * labelled,)
    ]
    shares = share_out(views, budget=budget, sharing=True, workers=workers)
    sizes = [[_through(part, prefix) for part in share] for share in shares]
    largest = [share[max(range(len(share)), key=size.__getitem__)] for share, size in zip(shares, sizes, strict=True)]
    return _Cut(
        tokens=sum(max(share) for share in sizes),
        labelled=sum(label >= 0 for part in largest for view in part for label in view.labels),
        rows=sum(len(part) for part in largest),
        several=any(len(share) > 1 for share in shares),
        all_tokens=sum(sum(share) for share in sizes),
        parts=sum(len(share) for share in shares),
    )


def _through(part: Sequence[View], prefix: int) -> int:
    """Padded tokens of a micro-batch that go through the model, a shared prefix once and what it costs to repeat it."""
    count, length = len(part), max(len(view.ids) for view in part)
    spared = (count - 1) * prefix if (count - 1) * prefix > PASS_TOKENS else 0
    return math.ceil(count * length - spared * (1 - _repeated))


def forecast(
    spec: TuneSpec,
    config: Mapping[str, Any],
    *,
    card: FamilyCard,
    counted: Census,
    machine: Machine,
    seed: int,
    libraries: int = LIBRARIES,
) -> Forecast | None:
    """Memory and time of a run; None for a kind of PEFT that begins from the weights: `probe` measures these.

    Args:
        spec: of the run.
        config: the base's config.json.
        card: of its family.
        counted: the train rows.
        machine: this one.
        seed: of the run.
        libraries: bytes of the process before the model is loaded.

    Raises:
        ModelError: the architecture is not known.
    """
    trained = trained_by(spec.method, config, card=card)
    if trained is None or not counted.rows:
        return None
    workers = 1 if draws(spec.method) or trained.weights > ALONE else machine.workers
    crowded = crowd(counted, spec, workers=workers, seed=seed)
    load = Load(
        trained=trained,
        tokens=crowded.tokens,
        labelled=crowded.labelled,
        workers=workers,
        rows=crowded.rows,
        row_tokens=counted.tokens,
        states=_kept_states(spec, config, tokens=counted.tokens),
        weight_bytes=base_bytes(spec.method, config),
        rounded=rounded_weights(config) if spec.quantise_for else 0,
        several=crowded.several,
        batches=crowded.batches,
        best=spec.keep == "best",
        libraries=libraries,
    )
    amount = Amount(
        tokens=crowded.all_tokens,
        labelled=crowded.all_labelled,
        row_tokens=counted.tokens / counted.views,
        epochs=spec.epochs,
        batches=crowded.batches,
    )
    seconds = train_seconds(config, trained, amount=amount, flops=machine.flops) * slower(spec.method)
    if spec.quantise_for:
        whole = spec.epochs * math.ceil(len(counted.rows) / spec.rows_per_step)
        steps = whole if spec.max_steps is None else min(whole, spec.max_steps)
        seconds += steps * rounded_weights(config) / (_rounded_a_second * machine.workers)
    return Forecast(parts=tuple(peak(config, load)), seconds=seconds, trained=trained)


def later_epochs(spec: TuneSpec, config: Mapping[str, Any], *, card: FamilyCard, counted: Census) -> float:
    """A run's time over what it would be if every epoch cost what the first does: less than 1 where states are kept.

    Raises:
        ModelError: the architecture is not known.
    """
    trained = trained_by(spec.method, config, card=card) if isinstance(spec.method, LastLayersMethod) else None
    if trained is None:
        return 1.0
    whole = Amount(tokens=counted.tokens, labelled=counted.labelled, row_tokens=counted.tokens / counted.views)
    kept = replace(whole, epochs=spec.epochs)
    each, once = (train_seconds(config, trained, amount=one, flops=1.0) for one in (kept, whole))
    return each / once


def _kept_states(spec: TuneSpec, config: Mapping[str, Any], *, tokens: int) -> int:
    """Bytes of what frozen layers computed of all rows; 0 where nothing is kept, or it is kept in a file."""
    method = spec.method
    if not isinstance(method, LastLayersMethod) or spec.epochs == 1:
        return 0
    size = tokens * int(config["hidden_size"]) * (4 if method.storage == "fp32" else 2)
    return size if size <= method.memory_mb * 2**20 else 0


def _common(ids: tuple[int, ...], shared: tuple[int, ...] | None) -> tuple[int, ...]:
    if shared is None:
        return ids
    end = next((place for place, pair in enumerate(zip(ids, shared, strict=False)) if pair[0] != pair[1]), None)
    return shared[: min(len(ids), len(shared)) if end is None else end]


def _flops(workers: int) -> float:
    """Operations a second of float32 matrix products on this machine now, all workers together."""
    if importlib.util.find_spec("torch") is not None:
        # Resolved here because torch comes with it.
        measured: float = resolve("seekloop.runtime.speed:product_speed")(workers)
        return measured
    left, right = np.ones((512, 1024), np.float32), np.ones((1024, 1024), np.float32)
    started = time.perf_counter()
    for _ in range(9):
        left @ right
    return 9 * 2 * 512 * 1024 * 1024 / (time.perf_counter() - started)
