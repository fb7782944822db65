"""What `seekloop plan` knows before a run, and its question to the adviser: counted where it can be, else assumed."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import read_rows
from seekloop.data.spec import DataSpec
from seekloop.loop.glance import glance
from seekloop.model import families, published
from seekloop.model.codec import Codec
from seekloop.model.devices import Machine
from seekloop.model.devices import machine as device
from seekloop.model.families import FamilyCard
from seekloop.system.errors import ModelError, UsageError
from seekloop.system.spec import Spec
from seekloop.tune.advise import Question, Task, rules
from seekloop.tune.forecast import Census, census, local_machine

__all__ = ["LOCAL", "Known", "Wish", "known", "machine_of", "question", "seconds_of"]

LOCAL = "local"
"""Name of the machine that plans."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a base and of rows to train on."""

    base: Checkpoint | None = None
    """None: it was not used in this project yet."""
    dataset: Dataset | None = None
    config: Mapping[str, Any] | None = None
    """The base's config.json, or its published sizes."""
    card: FamilyCard | None = None
    counted: Census | None = None
    """The dataset's train rows in tokens, or those of the project's files; None: neither is here, or no codec is."""
    glanced: Task | None = None
    """What the project's files teach, where they alone were looked at: no dataset was made yet."""


class Wish(Spec):
    """What was asked for, and what is assumed; None: as it is, or as it is usual."""

    hardware: str = LOCAL
    """This machine, or devices by name."""
    rows: int | None = Field(default=None, ge=1)
    """Train rows."""
    row_tokens: int | None = Field(default=None, ge=1)
    """Mean tokens of a row."""
    task: Task | None = None
    """What the rows teach: which class, whole answers, a manner of writing, new facts."""
    deadline: str | None = None
    """`45m`, `2h`."""
    price: float = Field(default=0.0, ge=0)
    """Of one device and hour."""


def known(source: str, *, ctx: RunContext | None, data: DataSpec | None = None) -> Known:
    """What is known of the base `source`, and of the newest dataset of the project where there is one.

    Args:
        source: as in a project's `base`.
        ctx: of the project; None: there is none.
        data: where there is no dataset, the files that this names are looked at; None: they are not.
    """
    facts = _made(source, ctx=ctx)
    if data is None or ctx is None or facts.dataset is not None or facts.config is None:
        return facts
    seen = glance(data, vocabulary=int(facts.config.get("vocab_size", 0)), ctx=ctx)
    return facts if seen is None else dataclasses.replace(facts, counted=seen.counted, glanced=seen.task)


def _made(source: str, *, ctx: RunContext | None) -> Known:
    base = None if ctx is None else _base(source, ctx)
    dataset = None if ctx is None else _dataset(ctx)
    if base is None or ctx is None:
        config = _sizes(source)
        card = None if config is None else _card(config, source)
        return Known(dataset=dataset, config=config, card=card)
    config = json.loads(ctx.store.path(base.id, "config.json").read_bytes())
    codec = Codec.open(ctx.store.folder(base.id))
    counted = None
    if dataset is not None:
        counted = census(codec.views(row) for row in read_rows(ctx.store.path(dataset.id, "train.jsonl")))
    return Known(base=base, dataset=dataset, config=config, card=families.card(base.family), counted=counted)


def machine_of(wish: Wish) -> Machine:
    """The machine that is planned for; this one is measured for a moment.

    Raises:
        UsageError: no such device.
    """
    return local_machine() if wish.hardware == LOCAL else device(wish.hardware)


def question(wish: Wish, facts: Known, *, source: str, machine: Machine) -> Question:
    """The adviser's question; whatever nobody counted is named in it.

    Raises:
        ModelError: the base's sizes are not known.
        UsageError: the deadline is no length of time.
    """
    if facts.config is None or facts.card is None:
        raise _size_unknown(source)
    usual, assumed, counted = rules()["assumed"], [], facts.counted
    rows, mean, share, longest = wish.rows, wish.row_tokens, float(usual["labelled"]), 0
    if counted is not None and counted.rows:
        rows = rows or len(counted.rows)
        mean = mean or math.ceil(counted.tokens / len(counted.rows))
        share, longest = counted.labelled / counted.tokens, counted.longest
        if facts.glanced is not None:
            assumed.append(f"{rows:,} rows of {mean} tokens: a look at the files, before they are cleaned and split")
    else:
        assumed.append(f"{share:.0%} of the tokens are trained")
    if rows is None:
        rows = facts.dataset.splits.get("train") if facts.dataset else None
    if rows is None:
        rows = usual["rows"]
        assumed.append(f"{rows:,} rows (--assume rows=N)")
    if mean is None:
        mean = usual["row_tokens"]
        assumed.append(f"{mean} tokens a row (--assume row_tokens=N)")
    if not longest or wish.row_tokens:
        longest = mean * usual["longest"]
        assumed.append(f"the longest row has {longest} tokens")
    task = wish.task
    if task is None:
        task, by = _task(facts)
        assumed.append(f"the task is {task}{by}")
    return Question(
        config=facts.config,
        family=facts.card.name,
        machine=machine,
        rows=max(1, rows),
        row_tokens=mean,
        labelled=share,
        longest=longest,
        task=task,
        deadline_s=None if wish.deadline is None else seconds_of(wish.deadline),
        price=wish.price,
        assumed=tuple(assumed),
    )


def seconds_of(text: str) -> float:
    """`90s`, `45m`, `2h`, `1.5d` in seconds.

    Raises:
        UsageError: it is no length of time.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\w*\s*", text.lower())
    if match is None or not float(match[1]):
        raise UsageError("loop.bad_duration", text=text)
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def _size_unknown(source: str) -> ModelError:
    try:
        published.config_of(source)
    except ModelError as error:
        return error
    return ModelError("model.unknown_architecture", kind=source, known=", ".join(published.names()))


def _task(facts: Known) -> tuple[Task, str]:
    """What the rows teach, and by what that is told."""
    if facts.glanced is not None:
        return facts.glanced, ", by the answers in the files"
    if facts.dataset is None:
        return "chat", ""
    return "classify" if facts.dataset.answer == "label" else "chat", ", by the answers of the dataset"


def _sizes(source: str) -> Mapping[str, Any] | None:
    """Of a folder's config.json, or as published; None: nobody says."""
    scheme, _, place = source.partition(":")
    file = Path(place).expanduser() / "config.json"
    if scheme == "path" and file.is_file():
        config: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return config
    try:
        return published.config_of(source)
    except ModelError:
        return None


def _card(config: Mapping[str, Any], source: str) -> FamilyCard:
    return families.card(config["family"]) if "family" in config else families.for_config(config, name=source)


def _base(source: str, ctx: RunContext) -> Checkpoint | None:
    """The newest base checkpoint of that source which this project has used."""
    scheme, colon, place = source.partition(":")
    # Local sources are recorded without their folder: it is no part of what the model is.
    label = f"{scheme}:{Path(place).name}" if colon and scheme in ("path", "gguf") else source
    for record in reversed(ctx.ledger.artifacts("checkpoint")):
        checkpoint = ctx.store.open(record.id, Checkpoint)
        if checkpoint.source == label:
            return checkpoint
    return None


def _dataset(ctx: RunContext) -> Dataset | None:
    records = ctx.ledger.artifacts("dataset")
    return ctx.store.open(records[-1].id, Dataset) if records else None
