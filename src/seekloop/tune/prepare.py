"""Rows of a dataset as training views, and everything that must be right about them before a step is taken."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row, read_rows
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec, View
from seekloop.runtime.train.batching import IGNORED, labelled
from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.text.normalize import key
from seekloop.tune.spec import TuneSpec

__all__ = ["Prepared", "check_view", "marked", "prepare"]

_named = 5


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What goes into the loop."""

    train: list[list[View]]
    """The views of each train row."""
    validation: list[View]
    too_long: tuple[str, ...]
    """Ids of the train rows that were left out for their length."""


def prepare(
    dataset: Dataset, codec: Codec, *, spec: TuneSpec, context: int, store: Store, logger: logging.Logger
) -> Prepared:
    """Encode a dataset's train and validation rows, and refuse what cannot train right.

    Args:
        dataset: what to train on.
        codec: of the checkpoint that is trained.
        spec: says what to do with rows that are too long.
        context: tokens that the model was made for.
        store: where the dataset is.
        logger: takes the preview and the row ledger.

    Raises:
        TrainError: no train rows, rows that are no answers, test rows among them, rows too long, no trained token,
            or an answer without its end.
        DataError: a row that the codec cannot encode; `where` is its place.
    """
    rows = {
        split: list(read_rows(store.path(dataset.id, f"{split}.jsonl"))) for split in ("train", "validation", "test")
    }
    if not rows["train"]:
        raise TrainError("tune.no_rows", id=digests.short(dataset.id), dropped=sum(dataset.dropped.values()))
    _refuse_others(rows["train"])
    _refuse_leaks(rows["train"], rows["test"])
    limit = min(spec.max_length or context, context)
    views = [codec.views(row) for row in rows["train"]]
    kept, too_long = _of_length(views, limit=limit, spec=spec)
    validation = [view for row in rows["validation"] for view in codec.views(row) if len(view.ids) <= limit]
    for view in (view for row in kept for view in row):
        check_view(view, codec)
    _say(kept, too_long, dataset=dataset, codec=codec, logger=logger)
    return Prepared(train=kept, validation=validation, too_long=too_long)


def marked(view: View, codec: Codec) -> str:
    """The text of a view, what is trained between ⟦ and ⟧."""
    text, trained = "", False
    run: list[int] = []
    for token, label in zip((*view.ids, None), (*view.labels, None), strict=True):
        now = label is not None and label != IGNORED
        if token is None or now != trained:
            text += f"⟦{codec.decode(run)}⟧" if trained else codec.decode(run)
            run, trained = [], now
        if token is not None:
            run.append(token)
    return text


def _refuse_others(train: Sequence[Row]) -> None:
    """Rows that say something else than one right answer: trained as such they would teach the wrong thing."""
    found = {
        "preferences": sum(bool(row.rejected) for row in train),
        "verdicts": sum(row.desirable is not None for row in train),
        "plain texts": sum(row.plain for row in train),
    }
    if any(found.values()):
        kinds = ", ".join(f"{count} {name}" for name, count in found.items() if count)
        raise TrainError("tune.other_rows", kinds=kinds)


def _refuse_leaks(train: Sequence[Row], test: Iterable[Row]) -> None:
    """Test rows whose question, normalised, is that of a train row."""
    asked = {_question(row) for row in train}
    leaked = [row for row in test if _question(row) in asked]
    if leaked:
        ids = ", ".join(row.id for row in leaked[:_named])
        raise TrainError("tune.leaked", count=len(leaked), rows=ids)


def _question(row: Row) -> str:
    return key("\n".join(message.content for message in row.messages if message.role == "user"))


def _of_length(views: list[list[View]], *, limit: int, spec: TuneSpec) -> tuple[list[list[View]], tuple[str, ...]]:
    lengths = [max(len(view.ids) for view in row) for row in views]
    too_long = tuple(row[0].row for row, length in zip(views, lengths, strict=True) if length > limit)
    if too_long and (spec.too_long == "refuse" or len(too_long) == len(views)):
        raise TrainError(
            "tune.too_long",
            count=len(too_long),
            total=len(views),
            limit=limit,
            median=round(statistics.median(lengths)),
            longest=max(lengths),
            rows=", ".join(too_long[:_named]),
        )
    return [row for row, length in zip(views, lengths, strict=True) if length <= limit], too_long


def check_view(view: View, codec: Codec) -> None:
    """Check what the codec promises about a view: it trains something, its end too, and begins with exactly one BOS.

    Raises:
        TrainError: it does not hold; names the row.
    """
    if not labelled(view):
        raise TrainError("tune.nothing_trained", row=view.row)
    if view.labels[-1] != codec.eos_id:
        raise TrainError("tune.no_end", row=view.row)
    if codec.bos_id is not None and (view.ids[0] != codec.bos_id or view.ids.count(codec.bos_id) != 1):
        raise TrainError("tune.not_one_bos", row=view.row, count=view.ids.count(codec.bos_id))


def _say(
    kept: list[list[View]], too_long: tuple[str, ...], *, dataset: Dataset, codec: Codec, logger: logging.Logger
) -> None:
    views = [view for row in kept for view in row]
    tokens, trained = sum(len(view.ids) for view in views), sum(labelled(view) for view in views)
    ledger = {**dataset.splits, **{f"dropped {reason}": count for reason, count in dataset.dropped.items()}}
    parts = " + ".join(f"{count} {name}" for name, count in ledger.items())
    logger.info("rows: %d in = %s", dataset.rows, parts)
    if too_long:
        logger.warning("left out %d train rows that are too long: %s", len(too_long), ", ".join(too_long[:_named]))
    logger.info("one epoch: %d rows, %d tokens, %d of them trained", len(kept), tokens, trained)
    logger.info("trained between ⟦ and ⟧: %s", marked(views[0], codec))
