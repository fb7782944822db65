"""A breaker: what failed several times in a row is left alone for a while, so that it does not cost each its wait."""

from __future__ import annotations

from seekloop.system.clock import Clock

__all__ = ["Breaker"]

_in_a_row = 3


class Breaker:
    """Counts failures in a row.

    Args:
        pause_s: how long nothing is tried after the third; then one try decides.
        clock: measures the pause.
    """

    def __init__(self, *, pause_s: float, clock: Clock) -> None:
        self._pause_s = pause_s
        self._clock = clock
        self._failed = 0
        self._until = 0.0

    @property
    def open(self) -> bool:
        """Whether nothing should be tried now. Who is told False after a pause is its one try."""
        if self._failed < _in_a_row:
            return False
        now = self._clock.monotonic()
        if now < self._until:
            return True
        self._until = now + self._pause_s
        return False

    def worked(self) -> bool:
        """A try succeeded; whether it was open until then."""
        was, self._failed = self._failed >= _in_a_row, 0
        return was

    def failed(self) -> bool:
        """A try failed; whether it opens now."""
        self._failed += 1
        self._until = self._clock.monotonic() + self._pause_s
        return self._failed == _in_a_row
