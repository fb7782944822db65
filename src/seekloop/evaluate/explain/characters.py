"""Scores of tokens as scores of whole characters and words: byte-level tokens may end in the middle of either."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from seekloop.model.codec import Codec

__all__ = ["Piece", "merged"]

_within = re.compile(r"[A-Za-z0-9\u00c0-\u024f]{2}")
_broken = "\ufffd"
_most = 8
"""Tokens that one character may take; beyond that the bytes are none."""


@dataclass(frozen=True)
class Piece:
    """One or more tokens that are text together."""

    text: str
    score: float
    """The sum of its tokens'."""
    control: bool = False
    """A token of the template."""


def merged(ids: Sequence[int], scores: Sequence[float], *, codec: Codec) -> tuple[Piece, ...]:
    """Tokens joined until their bytes are characters and their letters Latin words; scores are added up.

    The texts of all pieces together are what `codec.decode(ids)` gives, and their scores add up to the given ones.
    """
    found: list[Piece] = []
    run: list[int] = []
    total = 0.0
    for place, (id_, score) in enumerate(zip(ids, scores, strict=True)):
        run, total = [*run, id_], total + score
        text, control = codec.decode(run), id_ in codec.control_ids
        follows = place + 1 < len(ids) and ids[place + 1] not in codec.control_ids
        if text.endswith(_broken) and len(run) < _most and follows and not control:
            continue
        found.append(Piece(text, total, control=control))
        run, total = [], 0.0
    return tuple(_words(found))


def _words(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces of one Latin word joined: what goes on with a letter goes on with the word."""
    found: list[Piece] = []
    for piece in pieces:
        last = found[-1] if found else None
        if last is not None and not (last.control or piece.control) and _within.search(last.text[-1:] + piece.text[:1]):
            found[-1] = Piece(last.text + piece.text, last.score + piece.score)
        else:
            found.append(piece)
    return found
