"""Who is told how far a run has come, and by whom production is changed for it: a person's run, or a cycle's."""

from __future__ import annotations

from typing import Any, Protocol

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Alias, Turn

__all__ = ["ByHand", "Witness"]


class Witness(Protocol):
    """Of one run."""

    @property
    def name(self) -> str:
        """What changes of production are said to be for."""

    @property
    def fence(self) -> Turn | None:
        """What must not have happened since this run was given the right to decide; None: it is a person's."""

    def reached(self, state: str, **facts: Any) -> None:
        """The run has come so far; `facts` name what it made."""

    def move(self, move: Alias, *, state: str, **facts: Any) -> None:
        """The run has come so far, and with that an alias stands elsewhere; its version is the new one.

        Raises:
            LedgerError: somebody else moved it first, or may decide now.
        """


class ByHand:
    """Somebody runs it and sees what comes: states are said, aliases are moved at once."""

    name = "by hand"
    fence: Turn | None = None

    def __init__(self, ctx: RunContext) -> None:
        self._ctx = ctx

    def reached(self, state: str, **facts: Any) -> None:
        """Nothing is recorded beside the steps themselves; what waits is said."""
        if state in ("waiting", "held"):
            self._ctx.progress.say(f"{state}: {facts['reason']}")

    def move(self, move: Alias, *, state: str, **facts: Any) -> None:
        """Move the alias."""
        before = move.version - 1
        self._ctx.ledger.move_alias(
            move.name, move.target, expected_version=before, actor=self._ctx.actor, reason=move.reason
        )
