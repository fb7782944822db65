"""A classifier checkpoint as a function of text: the probability of each of its classes."""

from __future__ import annotations

from collections.abc import Callable

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.rows import Message
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec
from seekloop.runtime import models
from seekloop.runtime.train.classifiers import predict, read_classes
from seekloop.system import digests
from seekloop.system.errors import UsageError

__all__ = ["text_classifier"]


def text_classifier(checkpoint: Checkpoint, *, store: Store) -> Callable[[str], dict[str, float]]:
    """Class -> probability, 0 to 1, of a text as a user's message. Longer texts than the model takes are cut in front.

    Raises:
        UsageError: the checkpoint is no classifier.
    """
    folder = store.folder(checkpoint.id)
    classes = read_classes(folder)
    if classes is None:
        raise UsageError("safety.no_classifier", id=digests.short(checkpoint.id))
    model, codec = models.load(checkpoint, store=store), Codec.open(folder)
    names, several = classes.names, classes.several

    def chances(text: str) -> dict[str, float]:
        ids = codec.prompt_ids([Message(role="user", content=text)])[-codec.card.context_length :]
        (scores,) = predict(model, [ids], pad=codec.pad_id)
        values = scores.sigmoid() if several else scores.softmax(-1)
        return dict(zip(names, values.tolist(), strict=True))

    return chances
