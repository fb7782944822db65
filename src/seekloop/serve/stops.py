"""Stop strings on text that comes in pieces: nothing of a stop string is ever let out."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["StopWatch"]


class StopWatch:
    """Lets text through until a stop string is complete, holding back what may yet become one.

    Args:
        stops: non-empty stop strings.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.hit = False

    def push(self, text: str) -> str:
        """The text that may go out now; empty once `hit`."""
        if self.hit:
            return ""
        seen = self._held + text
        ends = [at for at in (seen.find(stop) for stop in self._stops) if at >= 0]
        if ends:
            self.hit, self._held = True, ""
            return seen[: min(ends)]
        keep = max((_overlap(seen, stop) for stop in self._stops), default=0)
        self._held = seen[len(seen) - keep :]
        return seen[: len(seen) - keep]

    def finish(self) -> str:
        """What was held back, when no stop string came after all."""
        rest, self._held = self._held, ""
        return rest


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a true beginning of `stop`."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
