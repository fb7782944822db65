"""A look at a project's files before anything was made of them, so that a first plan counts what there is."""

from __future__ import annotations

import dataclasses
import random
import tempfile
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Row, read_rows
from seekloop.data.compose import choose_answer, compose
from seekloop.data.read.corpus import ROWS, read_corpus
from seekloop.data.read.files import locate
from seekloop.data.spec import DataSpec
from seekloop.data.survey import survey
from seekloop.system.errors import SeekloopError
from seekloop.tune.advise import Task, rules
from seekloop.tune.forecast import Census

__all__ = ["Glance", "glance"]

_most_bytes = 16 * 2**20
"""Of all files together: they are read in a few seconds."""
_frame_tokens = 12
"""What a chat template puts around a question and its answer."""


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What the files hold."""

    counted: Census
    """Of the rows that the split leaves to train on, their tokens estimated by their characters."""
    task: Task
    """By what the rows have: labels alone, or answers."""


def glance(spec: DataSpec, *, vocabulary: int, ctx: RunContext) -> Glance | None:
    """Read the sources and forget them: the project gets nothing.

    None where they are no files, together larger than 16 MiB, or cannot be read, which the data stage will tell.

    Args:
        spec: of the project's data stage.
        vocabulary: pieces of the base's tokenizer: small ones spend several tokens on a Chinese character.
        ctx: of the project.
    """
    if not spec.sources or any(source.path is None for source in spec.sources):
        return None
    with tempfile.TemporaryDirectory(prefix="seekloop-plan-") as folder, RunContext.in_folder(Path(folder)) as own:
        here = dataclasses.replace(own, root=ctx.root)
        try:
            if sum(_bytes(locate(source.path or "", root=ctx.root)) for source in spec.sources) > _most_bytes:
                return None
            corpus = read_corpus(spec.sources, ctx=here, spec=spec.read)
        except SeekloopError:
            return None
        path = here.store.path(corpus.id, ROWS)
        seen = survey(path, None)
        train = _train(read_rows(path), spec.split.shares(seen.fixed), seed=ctx.seed)
    answer = choose_answer(spec.compose, rows=seen.rows, labelled=seen.labelled, answered=seen.answered)
    rates = _rates(vocabulary)
    lengths = [_lengths(compose(row, spec.compose, answer=answer), rates) for row in train]
    if not lengths:
        return None
    counted = Census(rows=tuple((length,) for length in lengths), prefix=0)
    return Glance(counted=counted, task="classify" if answer == "label" else "chat")


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def _train(rows: Iterable[Row], shares: Mapping[str, float], *, seed: int) -> list[Row]:
    """About as many rows as the split leaves, drawn: files are often sorted."""
    own = [row for row in rows if row.dropped is None and row.meta.get("split") in (None, "train")]
    return random.Random(seed).sample(own, round((1 - sum(shares.values())) * len(own)))


def _rates(vocabulary: int) -> tuple[float, float]:
    """Tokens a wide character, and any other."""
    found: dict[str, Any] = rules()["characters"]
    return next(each["tokens"] for each in found["wide"] if vocabulary <= each["vocabulary"]), found["other"]


def _lengths(row: Row, rates: tuple[float, float]) -> tuple[int, int]:
    """Tokens, and those that are trained."""
    asked = sum(_tokens(message.content, rates) for message in row.messages if message.role != "assistant")
    said = sum(_tokens(message.content, rates) for message in row.messages if message.role == "assistant")
    return round(asked + said) + _frame_tokens, round(said) + 1


def _tokens(text: str, rates: tuple[float, float]) -> float:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return rates[0] * wide + rates[1] * (len(text) - wide)
