"""Rows that are asked though the checkpoint was trained on their like: counted, named, and accuracy without them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence

from seekloop.artifact.kinds import Figure
from seekloop.artifact.rows import Message, Row
from seekloop.evaluate import trained
from seekloop.evaluate.figures import share
from seekloop.evaluate.seen import Seen
from seekloop.system.errors import DataError
from seekloop.text.complete import CompleteIndex
from seekloop.text.shingles import prints

__all__ = ["leaked", "part"]

_at_once = 4096
_named = 5


def part(seen: Seen) -> tuple[Figure, ...]:
    """leaked_rows, the count of the rows that are near duplicates of training rows; where there are any,
    accuracy_unleaked, the accuracy of the others, and `leaks.json`, each leaked row with its like.

    What the user asked is compared, as in the data stage. A base, which nothing is known to be trained on, has no
    figure.

    Raises:
        DataError: there are any, and the spec refuses that.
        ArtifactError: a dataset that the checkpoint was trained on is not in the store.
    """
    told = seen.spec.probes.leaks
    known = (
        []
        if told == "off" or seen.spec.split == "train"
        else trained.datasets(seen.inputs.checkpoint, store=seen.ctx.store)
    )
    if not known:
        return ()
    rows = itertools.chain.from_iterable(trained.train_rows(one, store=seen.ctx.store) for one in known)
    found = leaked([one.asked for one in seen.questions], rows, similarity=seen.spec.probes.similarity)
    figure = Figure(name="leaked_rows", value=float(len(found)), n=len(seen.questions), unit="rows", better="lower")
    if not found:
        return (figure,)
    ids = [question.row.id for question in seen.questions]
    named = ", ".join(ids[place] for place in itertools.islice(found, _named))
    if told == "refuse":
        raise DataError("evaluate.leaked", count=len(found), total=len(ids), rows=named)
    seen.ctx.progress.say(f"{len(found)} of {len(ids)} rows are near duplicates of training rows: {named}")
    listed = [{"row": ids[place], "like": like} for place, like in found.items()]
    seen.job.path("leaks.json").write_text(json.dumps(listed, ensure_ascii=False, indent=1) + "\n", "utf-8")
    clean = [one.correct for place, one in enumerate(seen.answers) if place not in found and one.label is not None]
    return (figure, share("accuracy_unleaked", clean)) if clean else (figure,)


def leaked(asked: Sequence[Sequence[Message]], rows: Iterable[Row], *, similarity: float) -> dict[int, str]:
    """Place of each question that is at least `similarity` like a training row's -> that row's place and id.

    Only the questions are held in memory; rows come one block at a time.

    Args:
        asked: the conversations that are asked.
        rows: the training rows.
        similarity: 0.7 to 1.

    Returns:
        In the order of the questions; of several rows, the first.
    """
    index = CompleteIndex(similarity)
    for at in range(0, len(asked), _at_once):
        index.add(prints([_said(one) for one in asked[at : at + _at_once]]))
    found: dict[int, str] = {}
    stream = iter(rows)
    while some := list(itertools.islice(stream, _at_once)):
        pairs = index.matches(prints([_said(row.messages) for row in some]))
        for new, old in sorted(zip(pairs.new.tolist(), pairs.old.tolist(), strict=True)):
            row = some[new]
            found.setdefault(old, f"{row.source.file}:{row.source.line} {row.id}")
    return dict(sorted(found.items()))


def _said(messages: Iterable[Message]) -> str:
    """The user's turns, one a line."""
    return "\n".join(message.content for message in messages if message.role == "user")
