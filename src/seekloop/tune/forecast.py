"""Memory and time of one tuning run before it starts, on this machine: from the rows' lengths, nothing loaded."""

from __future__ import annotations

import importlib.util
import math
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seekloop.model.arithmetic import adapter_parameters, adapter_width, parameters, train_seconds
from seekloop.model.codec import View
from seekloop.model.devices import Machine
from seekloop.model.families import FamilyCard
from seekloop.model.memory import LIBRARIES, Load, Part, peak, total
from seekloop.system import provenance, seeds, settings
from seekloop.system.lazy import resolve
from seekloop.system.memory import free_bytes
from seekloop.system.spec import Spec
from seekloop.tune.advise import rules
from seekloop.tune.method_spec import FullMethod, LoraMethod
from seekloop.tune.spec import TuneSpec

__all__ = ["Census", "Crowd", "Forecast", "census", "crowd", "forecast", "local_machine"]

_many = 2**28
"""Trained weights beyond which one worker computes alone (`runtime/train/loop.py`)."""
_start = 48
"""Tokens that one more pass costs: below that a prefix is not shared (`runtime/train/batching.py`)."""
_looked_at = 40
"""Steps that are cut up."""
_repeated = 0.05
"""What a shared prefix keeps for each further row: keys and values alone, of all that a token keeps."""


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
    heaviest = max(top, key=lambda cut: cut[0])
    a_step = sum(cut[2] for cut in cuts) / len(cuts)
    whole = spec.epochs * math.ceil(len(order) / spec.rows_per_step)
    count = whole if spec.max_steps is None else min(whole, spec.max_steps)
    return Crowd(
        tokens=heaviest[0],
        labelled=heaviest[1],
        several=any(cut[4] for cut in top),
        all_tokens=math.ceil(count * a_step),
        all_labelled=math.ceil(count / whole * spec.epochs * counted.labelled),
        batches=math.ceil(count * sum(cut[3] for cut in cuts) / len(cuts)),
    )


def _cut(step: Sequence[tuple[int, int]], prefix: int, *, budget: int, workers: int) -> tuple[int, int, int, int, bool]:
    """Tokens and labelled tokens in the model at one time, tokens and parts of the step, whether a worker has several.

    The trainer's own cutting decides, on views of these lengths that share their first `prefix` tokens.
    """
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
    first = [max(range(len(share)), key=lambda at: sizes[index][at]) for index, share in enumerate(shares)]
    labelled = sum(
        sum(label >= 0 for label in view.labels) for share, at in zip(shares, first, strict=True) for view in share[at]
    )
    return (
        sum(max(share) for share in sizes),
        labelled,
        sum(sum(share) for share in sizes),
        sum(len(share) for share in shares),
        any(len(share) > 1 for share in shares),
    )


def _through(part: Sequence[View], prefix: int) -> int:
    """Padded tokens of a micro-batch that go through the model, a shared prefix once and what it costs to repeat it."""
    count, length = len(part), max(len(view.ids) for view in part)
    spared = (count - 1) * prefix if (count - 1) * prefix > _start else 0
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
    """Memory and time of a run; None for a method whose weights are not counted here: `probe` measures these.

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
    trained = _trained(spec.method, config, card=card)
    if trained is None or not counted.rows:
        return None
    trainable, width = trained
    adapter = isinstance(spec.method, LoraMethod)
    draws = isinstance(spec.method, LoraMethod) and spec.method.dropout > 0
    workers = 1 if draws or trainable > _many else machine.workers
    crowded = crowd(counted, spec, workers=workers, seed=seed)
    load = Load(
        trainable=trainable,
        adapter=adapter,
        tokens=crowded.tokens,
        labelled=crowded.labelled,
        workers=workers,
        width=width,
        row_tokens=counted.tokens,
        several=crowded.several,
        batches=crowded.batches,
        best=spec.keep == "best",
        libraries=libraries,
    )
    seconds = train_seconds(
        config,
        trainable=trainable,
        tokens=crowded.all_tokens,
        labelled=crowded.all_labelled,
        row_tokens=counted.tokens / counted.views,
        flops=machine.flops,
    )
    return Forecast(parts=tuple(peak(config, load)), seconds=seconds)


def _trained(method: Spec, config: Mapping[str, Any], *, card: FamilyCard) -> tuple[int, int] | None:
    """Trained weights, and the numbers of their low-rank products; None for a method that is not counted here."""
    if isinstance(method, FullMethod):
        return parameters(config), 0
    if not isinstance(method, LoraMethod):
        return None
    targets = method.targets or card.lora_targets
    weights = adapter_parameters(config, rank=method.rank, targets=targets)
    return weights, adapter_width(config, rank=method.rank, targets=targets)


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
