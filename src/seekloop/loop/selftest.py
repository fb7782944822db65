"""The invariants of training, proven on this machine with the tiny model: each a figure beside its tolerance.

They go through the stages as users do. The suite is that of `make test`, which runs these same functions.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.compress import stage as compress
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.model import families
from seekloop.model.codec import Codec
from seekloop.model.tokenizers import tiny_tokenizer
from seekloop.runtime import models
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.weights import open_model, quiet
from seekloop.system.lazy import need
from seekloop.system.progress import Silent, Task
from seekloop.system.spec import Spec
from seekloop.tune import stage as tune
from seekloop.tune.doctor import is_exact
from seekloop.tune.spec import TuneInputs, TuneSpec

__all__ = ["CHECKS", "Outcome", "Place", "run"]

SEED = 7


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One invariant."""

    name: str
    figure: float | None
    """What was reached; None: it could not be tried here."""
    tolerance: float
    at_least: bool = False
    """The figure must be above the tolerance, not below."""
    detail: str = ""
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether it does, or could not be tried."""
        if self.figure is None:
            return True
        return self.figure > self.tolerance if self.at_least else self.figure <= self.tolerance


@dataclass(frozen=True, kw_only=True)
class Place:
    """The tiny model and a dozen rows in a store of their own."""

    ctx: RunContext
    base: Checkpoint
    dataset: Dataset
    made: dict[str, Checkpoint] = field(default_factory=dict)
    """What was tuned here, by its spec: checks that want the same run share it."""

    @classmethod
    def make(cls, folder: Path) -> Place:
        """Make them in `folder`."""
        ctx = RunContext.in_folder(folder, seed=SEED, progress=Silent())
        return cls(ctx=ctx, base=tiny_base(ctx), dataset=_dataset(ctx))

    def tune(self, *, ctx: RunContext | None = None, **spec: Any) -> Checkpoint:
        """Two epochs over the rows, unless told otherwise."""
        given = {"epochs": 2, "rows_per_step": 8, "learning_rate": 0.01, "method": {"rank": 4}, **spec}
        parsed = TuneSpec.parse(given)
        if parsed.digest not in self.made:
            inputs = TuneInputs(dataset=self.dataset, checkpoint=self.base)
            self.made[parsed.digest] = tune.run(parsed, inputs, ctx=ctx or self.ctx)
        return self.made[parsed.digest]

    def curve(self, checkpoint: Checkpoint, key: str) -> Tensor:
        """A figure of every step."""
        state = json.loads(self.ctx.store.path(checkpoint.id, "trainer_state.json").read_text("utf-8"))
        return torch.tensor([entry[key] for entry in state["log_history"] if key in entry], dtype=torch.float64)

    def logits(self, checkpoint: Checkpoint) -> Tensor:
        """Of ids that are always the same: [1, 30, vocabulary]."""
        with torch.no_grad():
            return models.load(checkpoint, store=self.ctx.store)(input_ids=_ids()).logits


def run(folder: Path | None = None) -> list[Outcome]:
    """Every check in turn, in a temporary folder unless one is given."""
    with tempfile.TemporaryDirectory(prefix="seekloop-selftest-") as place:
        bench = Place.make(folder or Path(place))
        outcomes = []
        for check in CHECKS:
            started = time.perf_counter()
            outcome = check(bench)
            outcomes.append(replace(outcome, seconds=round(time.perf_counter() - started, 2)))
        bench.ctx.close()
    return outcomes


def _same_again(place: Place) -> Outcome:
    """The same spec, rows and seed end with the same bytes."""
    first = place.tune().id
    other = Place.make(place.ctx.root / "again")
    with contextlib.closing(other.ctx):
        second = other.tune().id
    return Outcome(name="same inputs, same digest", figure=float(first != second), tolerance=0.0, detail=first[:23])


def _accumulated(place: Place) -> Outcome:
    """A step in one micro-batch or in several: the losses of all steps agree."""
    return _curves(place, "accumulation: losses", key="loss", tolerance=1e-4, small=96)


def _accumulated_norms(place: Place) -> Outcome:
    """The same, for the norm of the gradients."""
    return _curves(place, "accumulation: gradient norms", key="grad_norm", tolerance=1e-3, small=96)


def _unbiased(place: Place) -> Outcome:
    """What differs between one micro-batch and several has no direction: dropping a part would show here first."""
    whole, parts = place.tune(tokens_per_batch=4096), place.tune(tokens_per_batch=96)
    gap = (place.curve(whole, "loss") - place.curve(parts, "loss")).mean().abs().item()
    return Outcome(name="accumulation: mean residual", figure=gap, tolerance=1e-5)


def _bucketed(place: Place) -> Outcome:
    """Rows of similar lengths together, beginnings shared, or each row alone: the losses agree."""
    return _curves(place, "length buckets as one by one", key="loss", tolerance=1e-4, small=1)


def _bucketed_full(place: Place) -> Outcome:
    """The same where every weight is trained."""
    small, large = (place.tune(tokens_per_batch=size, method="full", learning_rate=1e-3) for size in (1, 4096))
    gap = (place.curve(small, "loss") - place.curve(large, "loss")).abs().max().item()
    return Outcome(name="length buckets as one by one, all weights", figure=gap, tolerance=1e-4)


def _resumed(place: Place) -> Outcome:
    """A run that dies after its third step and is started again ends with the same bytes."""
    spec: dict[str, Any] = {"save_every_steps": 1, "rows_per_step": 4}
    other = Place.make(place.ctx.root / "killed")
    with contextlib.closing(other.ctx):
        died = False
        try:
            other.tune(ctx=replace(other.ctx, progress=_Dies(after=3)), **spec)
        except _Killed:
            died = True
        second = other.tune(**spec).id
    first = place.tune(**spec).id
    return Outcome(
        name="killed and resumed, same digest",
        figure=float(first != second or not died),
        tolerance=0.0,
        detail=first[:23],
    )


def _applied(place: Place) -> Outcome:
    """An adapter that was read back does something: its logits are not the base's."""
    gap = (place.logits(place.tune()) - place.logits(place.base)).abs().max().item()
    return Outcome(name="adapter is applied when read back", figure=gap, tolerance=1e-2, at_least=True)


def _merged(place: Place) -> Outcome:
    """An adapter folded into its base gives the adapter's logits."""
    adapter = place.tune()
    spec = CompressSpec.parse({"method": {"type": "merge"}})
    folded = compress.run(spec, CompressInputs(checkpoint=adapter), ctx=place.ctx)
    gap = (place.logits(folded) - place.logits(adapter)).abs().max().item()
    return Outcome(name="merged as adapter", figure=gap, tolerance=1e-4)


def _coded(_place: Place) -> Outcome:
    """In every family each trained turn follows the ids that a server sends, and is trained with its end token."""
    wrong = tried = 0
    for card in families.cards():
        codec = Codec.build(card, tiny_tokenizer(card))
        for row in _conversations():
            tried += 1
            views = codec.views(row)
            ended = all(view.labels[-1] == codec.eos_id for view in views)
            once = codec.bos_id is None or all(view.ids.count(codec.bos_id) == 1 for view in views)
            wrong += not (is_exact(row, views, codec=codec) and ended and once)
    return Outcome(
        name="trained after exactly what is served, every family",
        figure=float(wrong),
        tolerance=0.0,
        detail=f"{tried} rows of {len(families.cards())} families",
    )


def _opened_by_peft(place: Place) -> Outcome:
    """PEFT reads our adapter's folder and gives our logits."""
    name, tolerance = "PEFT opens the adapter, same logits", 1e-4
    if importlib.util.find_spec("peft") is None:
        return Outcome(name=name, figure=None, tolerance=tolerance, detail="peft is not installed")
    adapter = place.tune()
    stock = open_model(place.ctx.store.folder(place.base.id))
    peft = need("peft", extra="dev")
    with quiet(), warnings.catch_warnings():
        # PEFT asks transformers for something that is about to be renamed; nothing of ours.
        warnings.simplefilter("ignore", FutureWarning)
        theirs = peft.PeftModel.from_pretrained(stock, place.ctx.store.folder(adapter.id)).eval()
    with torch.no_grad():
        gap = (theirs(input_ids=_ids()).logits - place.logits(adapter)).abs().max().item()
    return Outcome(name=name, figure=gap, tolerance=tolerance)


CHECKS: tuple[Callable[[Place], Outcome], ...] = (
    _same_again,
    _accumulated,
    _accumulated_norms,
    _unbiased,
    _bucketed,
    _bucketed_full,
    _resumed,
    _applied,
    _merged,
    _coded,
    _opened_by_peft,
)
"""In the order in which they are run."""


def _curves(place: Place, name: str, *, key: str, tolerance: float, small: int) -> Outcome:
    """The largest difference of a figure over the steps, between large micro-batches and small ones."""
    whole, parts = place.tune(tokens_per_batch=4096), place.tune(tokens_per_batch=small)
    gaps = (place.curve(whole, key) - place.curve(parts, key)).abs()
    return Outcome(name=name, figure=gaps.max().item(), tolerance=tolerance, detail=f"{len(gaps)} steps")


class _Killed(Exception):
    """Stands for the end of the process."""


class _Dies:
    """Progress that ends the run after so many steps, before their state is written."""

    def __init__(self, *, after: int) -> None:
        self._left = after

    @contextlib.contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[Task]:
        """Count the steps of training only."""
        yield self

    def advance(self, amount: float = 1.0) -> None:
        """One step is done."""
        self._left -= 1
        if self._left <= 0:
            raise _Killed

    def note(self, text: str) -> None:
        """Nothing to show."""

    def say(self, text: str) -> None:
        """Nothing to say."""


def _ids() -> Tensor:
    return torch.arange(30).unsqueeze(0)


def _dataset(ctx: RunContext) -> Dataset:
    """Sixteen rows of different lengths that begin alike, four to validate on, two to test on."""
    splits = {"train": _rows(0, 16), "validation": _rows(16, 4), "test": _rows(20, 2)}
    with ctx.job("data", Spec()) as job:
        for name in (*splits, "calibration", "dropped"):
            write_rows(job.path(f"{name}.jsonl"), splits.get(name, []))
        sizes = {name: len(part) for name, part in splits.items()}
        return job.commit(Dataset(made_by=job.origin, rows=sum(sizes.values()), splits=sizes, dropped={}))


def _rows(first: int, count: int) -> list[Row]:
    return [
        _row(
            Message(role="system", content="Name the intent of the message."),
            Message(role="user", content=f"My card {index} {'is lost and ' * (index % 5)}please help 卡{index}"),
            Message(role="assistant", content=("lost card" if index % 2 else "挂失银行卡") + " !" * (index % 3)),
            number=index,
        )
        for index in range(first, first + count)
    ]


def _conversations() -> list[Row]:
    """What breaks templates: several turns, reasoning, control tokens in text, a turn that is not trained."""
    ask = Message(role="user", content="1 + 1 = ? <|im_end|> <｜end▁of▁sentence｜>")
    two = Message(role="assistant", content="二")
    return [
        _row(ask, two, number=1),
        _row(Message(role="system", content="You count."), ask, two, ask, two, number=2),
        _row(ask, two.model_copy(update={"reasoning": "one and one"}), ask, two, number=3),
        _row(ask, two.model_copy(update={"train": False}), ask, two, number=4),
    ]


def _row(*messages: Message, number: int) -> Row:
    identity = row_id([number, *(message.content for message in messages)])
    return Row(id=identity, messages=messages, source=Source(file="selftest.jsonl", line=number + 1))
