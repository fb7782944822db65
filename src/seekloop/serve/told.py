"""How many ids of an answer are out with its text: no log-probability goes ahead of the word it belongs to."""

from __future__ import annotations

import bisect

from seekloop.model.codec import Codec

__all__ = ["Told"]


class Told:
    """Counts the ids of one answer whose text is out. Tags that are no part of the text make it late, never early.

    Args:
        codec: what the ids mean.
    """

    def __init__(self, codec: Codec) -> None:
        self._stream = codec.raw_stream()
        self._ends: list[int] = []
        """Where the text of each id ends, in characters."""
        self._at = self._shown = 0

    def say(self, id_: int) -> None:
        """One more id was generated."""
        self._at += len(self._stream.push(id_).content)
        self._ends.append(self._at)

    def show(self, text: str) -> None:
        """So much more text is let out."""
        self._shown += len(text)

    @property
    def count(self) -> int:
        """Ids whose whole text is out."""
        return bisect.bisect_right(self._ends, self._shown)
