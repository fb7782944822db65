"""What parent and form both read: calibration rows, or built-in conversations, as ids with places to compare at."""

from __future__ import annotations

import functools
import hashlib
import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources

import yaml

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Message, Row, Source, read_rows, row_id
from seekloop.artifact.store import Store
from seekloop.compress.calibration import row_ids
from seekloop.compress.parity.spec import ParitySpec
from seekloop.model.codec import Codec

__all__ = ["BUILT_IN", "Probe", "probes"]

BUILT_IN = "built-in"
"""What `probes` names as its source where there are no calibration rows."""

_longest = 192
"""Ids of a conversation that are read: the gate is to cost seconds."""


@dataclass(frozen=True)
class Probe:
    """One sequence, and where the next id is asked for."""

    ids: tuple[int, ...]
    places: tuple[int, ...]
    """Ascending indices into `ids`: what follows the id that stands there."""


def probes(
    spec: ParitySpec, dataset: Dataset | None, *, codec: Codec, store: Store, seed: int, answered: bool = True
) -> tuple[str, list[Probe]]:
    """The same ones whenever codec, rows and seed are the same.

    Args:
        spec: how many, and how many places in each.
        dataset: its calibration rows are taken, those of lowest digest; None: the built-in conversations.
        codec: turns them into ids.
        store: where the dataset is.
        seed: which rows.
        answered: whether the answers are read too; else the only place is the end of the prompt.

    Returns:
        The dataset's id or `BUILT_IN`, and the probes.

    Raises:
        ArtifactError: the dataset is not in the store.
        DataError: a calibration row has no answer that the codec can write.
    """
    rows: list[Row] = []
    if dataset is not None and dataset.calibration:
        rows = _lowest(read_rows(store.path(dataset.id, "calibration.jsonl")), spec.prompts, seed=seed)
    source = dataset.id if dataset is not None and rows else BUILT_IN
    asked = rows or _built_in()[: spec.prompts]
    if answered:
        return source, [Probe(ids, _places(len(ids), spec.positions)) for ids in _sequences(asked, codec)]
    return source, [Probe(ids, (len(ids) - 1,)) for ids in _asked(asked, codec)]


def _sequences(rows: Iterable[Row], codec: Codec) -> Iterator[tuple[int, ...]]:
    for row in rows:
        yield row_ids(row, codec)[-_longest:]


def _asked(rows: Iterable[Row], codec: Codec) -> Iterator[tuple[int, ...]]:
    for row in rows:
        messages = row.messages[:-1] if row.messages[-1].role == "assistant" else row.messages
        ids = codec.text_ids(row.messages[0].content) if row.plain else codec.prompt_ids(messages, tools=row.tools)
        yield ids[-_longest:]


def _lowest(rows: Iterator[Row], count: int, *, seed: int) -> list[Row]:
    def digest(row: Row) -> bytes:
        return hashlib.sha256(f"{seed}\x1f{row.id}".encode()).digest()

    return heapq.nsmallest(count, rows, key=digest)


def _places(length: int, count: int) -> tuple[int, ...]:
    """From the middle to the last but one, evenly: the end of a conversation is where answers are."""
    last = max(0, length - 2)
    first = last // 2
    return tuple(sorted({first + round(part * (last - first) / max(1, count - 1)) for part in range(count)}))


@functools.cache
def _built_in() -> tuple[Row, ...]:
    text = resources.files("seekloop.compress.parity").joinpath("prompts.yaml").read_text("utf-8")
    return tuple(
        Row(
            id=row_id([asked, said]),
            messages=(Message(role="user", content=asked), Message(role="assistant", content=said)),
            source=Source(file="prompts.yaml", line=line),
        )
        for line, (asked, said) in enumerate(yaml.safe_load(text), start=1)
    )
