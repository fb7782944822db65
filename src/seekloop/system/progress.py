"""Progress as something injected: stages report, the door decides how to show it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

__all__ = ["Progress", "Silent", "Task"]


class Task(Protocol):
    """One bar: something countable on its way to a total."""

    def advance(self, amount: float = 1.0) -> None:
        """Count `amount` more as done."""

    def note(self, text: str) -> None:
        """Show a short text beside the bar, for example the current loss."""


class Progress(Protocol):
    """Opens bars."""

    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> AbstractContextManager[Task]:
        """A bar called `name` of `total` units (None: unknown), closed with the block.

        `done` units were done before, in a run that was killed: they say nothing of how long the rest takes.
        """

    def say(self, text: str) -> None:
        """Print one line for people."""


class _SilentTask:
    def advance(self, amount: float = 1.0) -> None:
        """Count nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


class Silent:
    """Shows nothing: for tests, and for use as a library."""

    @contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[Task]:
        """A bar that nobody sees."""
        yield _SilentTask()

    def say(self, text: str) -> None:
        """Print nothing."""
