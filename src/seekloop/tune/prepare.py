"""Rows of a dataset as training views, and everything that must be right about them before a step is taken."""

from __future__ import annotations

import itertools
import logging
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row, epoch_file, read_rows
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec, View
from seekloop.runtime.leaks import leaked
from seekloop.runtime.train.batching import IGNORED, labelled
from seekloop.runtime.train.classifiers import Classes
from seekloop.runtime.train.objectives.objective import Objective, Score
from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.system.progress import Progress
from seekloop.tune.objective_spec import AnswersObjective, ObjectiveSpec
from seekloop.tune.objectives import build
from seekloop.tune.objectives.encoded import Encoder
from seekloop.tune.spec import TuneSpec

__all__ = ["Prepared", "check_view", "check_views", "marked", "prepare"]

_named = 5


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What goes into the loop."""

    train: list[list[View]]
    """The views of each train row."""
    later: tuple[dict[int, list[View]], ...]
    """For each epoch after the first that the dataset prepared: place in `train` -> the row in other words."""
    validation: list[View]
    too_long: tuple[str, ...]
    """Ids of the train rows that were left out for their length."""
    shortened: dict[str, int]
    """Train rows that lost the beginning of their context (`cut`) or came in parts (`parted`); `lost_turns`."""
    spec: ObjectiveSpec
    """What is minimised, chosen from the rows where the spec left that open."""
    objective: Callable[[Score], Objective]
    """The same for the loop, once the model as it is before training can score views."""
    classes: Classes | None = None
    """Of a classifier."""


def prepare(
    dataset: Dataset,
    codec: Codec,
    *,
    spec: TuneSpec,
    context: int,
    store: Store,
    logger: logging.Logger,
    progress: Progress,
) -> Prepared:
    """Encode a dataset's train and validation rows, and refuse what cannot train right.

    Args:
        dataset: what to train on.
        codec: of the checkpoint that is trained.
        spec: says what to do with rows that are too long.
        context: tokens that the model was made for.
        store: where the dataset is.
        logger: takes the preview and the row ledger.
        progress: is told what was chosen and what was shortened.

    Raises:
        TrainError: no train rows, rows that the objective is not for, test rows among them, rows too long, no trained
            token, or an answer without its end.
        DataError: a row that the codec cannot encode; `where` is its place.
    """
    rows = {
        split: list(read_rows(store.path(dataset.id, f"{split}.jsonl"))) for split in ("train", "validation", "test")
    }
    if not rows["train"]:
        raise TrainError("tune.no_rows", id=digests.short(dataset.id), dropped=sum(dataset.dropped.values()))
    objective = spec.objective or _chosen([*rows["train"], *rows["validation"]], progress=progress)
    _refuse_leaks(rows["train"], rows["test"])
    encoder = Encoder(codec=codec, limit=min(spec.max_length or context, context), too_long=spec.too_long)
    encoded = build.encode(objective, train=rows["train"], validation=rows["validation"], encoder=encoder)
    too_long = _of_length(encoder, progress=progress)
    if encoded.classes is None:
        check_views(encoded.train, codec, pieces=bool(encoder.outcomes.get("parted")))
    _say(encoded.train, dataset=dataset, codec=codec, logger=logger)
    return Prepared(
        train=encoded.train,
        later=_later(
            dataset,
            encoded.train,
            objective=objective,
            encoder=encoder,
            test=rows["test"],
            store=store,
            progress=progress,
        ),
        validation=encoded.validation,
        too_long=too_long,
        shortened=_shortened(encoder),
        spec=objective,
        objective=encoded.objective,
        classes=encoded.classes,
    )


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


def _later(
    dataset: Dataset,
    train: Sequence[Sequence[View]],
    *,
    objective: ObjectiveSpec,
    encoder: Encoder,
    test: Sequence[Row],
    store: Store,
    progress: Progress,
) -> tuple[dict[int, list[View]], ...]:
    """The rows in other words that the dataset holds for later epochs; one that is too long stays in its own words."""
    files = list(itertools.takewhile(dataset.files.__contains__, map(epoch_file, itertools.count(2))))
    if files and not isinstance(objective, AnswersObjective):
        progress.say(f"the dataset's other words for later epochs are not used: objective {objective.type}")
        return ()
    places = {views[0].row: place for place, views in enumerate(train)}
    found = []
    for file in files:
        rows = list(read_rows(store.path(dataset.id, file)))
        _refuse_leaks(rows, test)
        theirs = [row.model_copy(update={"id": row.meta["augmented_from"]}) for row in rows]
        fresh = Encoder(codec=encoder.codec, limit=encoder.limit, too_long=encoder.too_long)
        encoded = build.encode(objective, train=theirs, validation=[], encoder=fresh)
        check_views(encoded.train, encoder.codec, pieces=bool(fresh.outcomes.get("parted")))
        found.append({places[views[0].row]: views for views in encoded.train if views[0].row in places})
    return tuple(found)


def _chosen(rows: Sequence[Row], *, progress: Progress) -> ObjectiveSpec:
    """The objective that the rows ask for; anything but answers is said aloud."""
    objective = build.choose(rows)
    if objective.type != "answers":
        progress.say(f"objective: {objective.type}, as the rows are {build.kind_of(rows[0])}")
    return objective


def _refuse_leaks(train: Sequence[Row], test: Iterable[Row]) -> None:
    """Test rows whose question, normalised, is that of a train row."""
    found = leaked(train, test)
    if found:
        ids = ", ".join(row.id for row in found[:_named])
        raise TrainError("tune.leaked", count=len(found), rows=ids)


def _of_length(encoder: Encoder, *, progress: Progress) -> tuple[str, ...]:
    """The train rows that were left out for their length, if they may be; says aloud what was shortened."""
    out = tuple(encoder.outcomes.get("out", ()))
    if out and (encoder.too_long == "refuse" or len(out) == len(encoder.lengths)):
        raise TrainError(
            "tune.too_long",
            count=len(out),
            total=len(encoder.lengths),
            limit=encoder.limit,
            median=round(statistics.median(encoder.lengths)),
            longest=max(encoder.lengths),
            rows=", ".join(out[:_named]),
        )
    total, limit = len(encoder.lengths), encoder.limit
    told = {
        "out": "left out",
        "cut": "cut from the left to the last turns that fit, the system message and the answers whole",
        "parted": "trained in windows",
    }
    for outcome, what in told.items():
        found = [row for name, ids in encoder.outcomes.items() if name == outcome for row in ids]
        if found:
            named = ", ".join(found[:_named])
            progress.say(f"{len(found)} of {total} train rows are longer than {limit} tokens and were {what}: {named}")
    if encoder.lost_turns:
        progress.say(f"{encoder.lost_turns} answers went with the beginning of their conversations and are not trained")
    return out


def _shortened(encoder: Encoder) -> dict[str, int]:
    counts: dict[str, int] = {name: len(ids) for name, ids in encoder.outcomes.items() if name != "out"}
    return {**counts, "lost_turns": encoder.lost_turns} if counts else {}


def check_views(rows: Sequence[Sequence[View]], codec: Codec, *, pieces: bool = False) -> None:
    """Check every view; of rows in `pieces` only the last need hold the end token.

    Raises:
        TrainError: one breaks a promise; names the row.
    """
    for row in rows:
        for view in row:
            check_view(view, codec, piece=pieces)


def check_view(view: View, codec: Codec, *, piece: bool = False) -> None:
    """Check what the codec promises about a view: it trains something, its end too, and begins with exactly one BOS.

    Args:
        view: of a train row.
        codec: that made it.
        piece: whether it may be a part of something longer, whose end is in another view.

    Raises:
        TrainError: it does not hold; names the row.
    """
    if not labelled(view):
        raise TrainError("tune.nothing_trained", row=view.row)
    if not piece and view.labels[-1] not in (codec.eos_id, codec.end_of_text_id):
        raise TrainError("tune.no_end", row=view.row)
    if codec.bos_id is not None and (view.ids[0] != codec.bos_id or view.ids.count(codec.bos_id) != 1):
        raise TrainError("tune.not_one_bos", row=view.row, count=view.ids.count(codec.bos_id))


def _say(kept: list[list[View]], *, dataset: Dataset, codec: Codec, logger: logging.Logger) -> None:
    views = [view for row in kept for view in row]
    tokens, trained = sum(len(view.ids) for view in views), sum(labelled(view) for view in views)
    ledger = {**dataset.splits, **{f"dropped {reason}": count for reason, count in dataset.dropped.items()}}
    parts = " + ".join(f"{count} {name}" for name, count in ledger.items())
    logger.info("rows: %d in = %s", dataset.rows, parts)
    logger.info("one epoch: %d rows, %d tokens, %d of them trained", len(kept), tokens, trained)
    logger.info("trained between ⟦ and ⟧: %s", marked(views[0], codec))
