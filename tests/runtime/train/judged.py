"""Rows that say more than one right answer, and their objectives over a tiny model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seekloop.artifact.rows import Message, Row
from seekloop.model.codec import View
from seekloop.runtime.train.batching import IGNORED
from seekloop.runtime.train.objectives.objective import Objective
from seekloop.tune.objective_spec import ObjectiveSpec
from seekloop.tune.objectives.build import encode
from seekloop.tune.objectives.encoded import Encoder
from tests.runtime.train.making import Bench, row


def pairs(count: int) -> list[Row]:
    """Preferences; answers of different lengths."""
    worse = (
        Message(role="assistant", content="I would rather not say anything"),
        Message(role="assistant", content="no"),
    )
    return [row(index).model_copy(update={"rejected": (worse[index % 2],)}) for index in range(count)]


def verdicts(count: int) -> list[Row]:
    """Good and bad answers."""
    return [row(index).model_copy(update={"desirable": index % 3 != 0}) for index in range(count)]


def texts(count: int) -> list[Row]:
    """Plain text."""
    said = (row(index).messages[1].content for index in range(count))
    return [
        row(index).model_copy(update={"messages": (Message(role="user", content=text),), "plain": True})
        for index, text in enumerate(said)
    ]


def encoded(bench: Bench, spec: ObjectiveSpec, rows: Sequence[Row]) -> tuple[list[list[View]], Objective]:
    """The views of rows, and the objective, the bench's model being the reference."""
    encoder = Encoder(codec=bench.codec, limit=2048, too_long="refuse")
    made = encode(spec, train=rows, validation=[], encoder=encoder)
    model = bench.model()
    with torch.no_grad():
        return made.train, made.objective(lambda views: [plain(model, view).item() for view in views])


def plain(model: nn.Module, view: View) -> Tensor:
    """The summed log-probability of the labelled tokens of one view, by transformers' own logits."""
    logits = model(input_ids=torch.tensor([view.ids])).logits[0, :-1].log_softmax(-1)
    labels = torch.tensor(view.labels[1:])
    kept = labels != IGNORED
    return logits[kept].gather(1, labels[kept].unsqueeze(1)).sum()


def disturb(model: nn.Module) -> None:
    """Move every trained weight a little, so that the model is not its own reference."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in model.parameters():
            if value.requires_grad:
                value.add_(torch.randn(value.shape, generator=generator) * 0.02)
