"""What the training tests share: short conversations, their views, and a run of the loop on the tiny model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.model.codec import Codec, View
from seekloop.runtime import models
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.train.batching import StepPlan
from seekloop.runtime.train.loop import LoopConfig, train
from seekloop.runtime.train.methods.lora import Lora, LoraConfig
from seekloop.runtime.train.methods.method import Method
from seekloop.runtime.train.state import State, Work
from seekloop.runtime.train.validating import Validation
from seekloop.system.spec import Spec

_topics = ("card", "transfer from Monday", "fee", "cash machine abroad", "password that I forgot again", "balance")


def row(index: int, *, answer: str | None = None, system: str = "Name the intent.") -> Row:
    """A short question; six topics of different lengths."""
    topic = _topics[index % len(_topics)]
    question = f"My {topic} {index} {'is wrong, ' * (index % 4)}please help"
    return Row(
        id=row_id([index, answer]),
        messages=(
            Message(role="system", content=system),
            Message(role="user", content=question),
            Message(role="assistant", content=answer or topic.split()[0]),
        ),
        label=topic.split()[0],
        source=Source(file="made.jsonl", line=index + 1),
    )


def rows(count: int, *, first: int = 0) -> list[Row]:
    """Different rows."""
    return [row(index) for index in range(first, first + count)]


def dataset(
    ctx: RunContext, *, train: Sequence[Row], validation: Sequence[Row] = (), test: Sequence[Row] = ()
) -> Dataset:
    """Commit a dataset of these rows."""
    splits = {"train": list(train), "validation": list(validation), "test": list(test)}
    with ctx.job("data", Spec()) as job:
        for name, part in {**splits, "calibration": [], "dropped": []}.items():
            write_rows(job.path(f"{name}.jsonl"), part)
        sizes = {name: len(part) for name, part in splits.items()}
        return job.commit(Dataset(made_by=job.origin, rows=sum(sizes.values()), splits=sizes, dropped={}))


@dataclass
class Bench:
    """The tiny model of a family, with its codec."""

    ctx: RunContext
    family: str = "smollm2"

    def __post_init__(self) -> None:
        base = tiny_base(self.ctx, family=self.family)
        self.base = base
        self.codec: Codec = models.codec_of(base, store=self.ctx.store)

    def model(self) -> nn.Module:
        """A fresh copy."""
        return models.load(self.base, store=self.ctx.store)

    def lora(self, *, rank: int = 4, dropout: float = 0.0) -> Lora:
        """A small adapter on the family's targets."""
        return Lora(
            config=LoraConfig(rank=rank, alpha=2.0 * rank, targets=self.codec.card.lora_targets), dropout=dropout
        )

    def views(self, parts: Sequence[Row]) -> list[list[View]]:
        """The views of each row."""
        return [self.codec.views(part) for part in parts]

    def train(
        self,
        model: nn.Module,
        method: Method,
        *,
        folder: Path,
        parts: Sequence[Row] | None = None,
        validation: Sequence[Row] = (),
        rows_per_step: int = 4,
        watched: Validation | None = None,
        **changes: object,
    ) -> State:
        """Two epochs over twelve rows unless told otherwise; `changes` go into the loop's config."""
        if watched is not None:
            changes = {**changes, "validation": watched}
        numbers = {
            "learning_rate": 1e-2,
            "schedule": "cosine",
            "warmup": 0.1,
            "weight_decay": 0.01,
            "max_grad_norm": 1.0,
            "tokens_per_batch": 4096,
            "pad": self.codec.pad_id,
        }
        views = self.views(rows(12) if parts is None else parts)
        return train(
            model,
            method,
            plan=StepPlan(rows=views, rows_per_step=rows_per_step, epochs=2, max_steps=None, seed=self.ctx.seed),
            config=LoopConfig(**{**numbers, **changes}),
            validation=[view for part in self.views(validation) for view in part],
            work=Work(folder),
            ctx=self.ctx,
        )


def losses(state: State) -> list[float]:
    """The training loss of each step."""
    return [entry["loss"] for entry in state.history if "loss" in entry]
