"""Speculative decoding: the next tokens are guessed, and the model reads them at once instead of one by one.

A guess that the model would not have made is thrown away, so greedy answers are the same ids with and without. What
guesses is another checkpoint of the store over the same vocabulary, or the text so far: what followed its last ids when
they came before (prompt lookup).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.system import digests
from seekloop.system.errors import EngineError

__all__ = ["Draft", "draft_by"]

_vocabulary = "tokenizer.json"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """How tokens are guessed."""

    tokens: int = 4
    """At most so many at a time."""
    ngram: int = 3
    """Ids that are looked for in the text so far, where no model guesses."""
    model: Path | None = None
    """GGUF file of the model that guesses; None: the text so far does."""


def draft_by(identity: str, *, checkpoint: Checkpoint, store: Store, tokens: int = 4) -> Draft:
    """A draft by another checkpoint.

    Args:
        identity: of the checkpoint that guesses, or its beginning.
        checkpoint: the one that answers.
        store: where both are.
        tokens: see `Draft`.

    Raises:
        EngineError: it is no GGUF file, or has another vocabulary: its ids mean other words.
        ArtifactError: it is not in the store, or was changed.
    """
    guesser = store.open(identity, Checkpoint)
    store.verify(guesser.id)
    if guesser.form != "gguf":
        raise EngineError("drafting.not_gguf", id=digests.short(guesser.id), form=guesser.form)
    ours, theirs = (store.path(one.id, _vocabulary).read_bytes() for one in (checkpoint, guesser))
    if ours != theirs:
        raise EngineError("drafting.other_vocabulary", draft=digests.short(guesser.id), id=digests.short(checkpoint.id))
    return Draft(tokens=tokens, model=store.path(guesser.id, "model.gguf"))
