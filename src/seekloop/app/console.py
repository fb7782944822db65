"""What people see: progress with an ETA on stderr, JSON or tables on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from seekloop.system.clock import Clock, SystemClock
from seekloop.system.progress import Progress as Reports
from seekloop.system.progress import Task

__all__ = ["Bars", "Lines", "print_json", "print_table", "reporter"]

_every_s = 10.0
"""Between two lines about the same task, where there is no terminal."""


def reporter() -> Reports:
    """Bars on a terminal, lines in a log."""
    return Bars() if sys.stderr.isatty() else Lines(sys.stderr)


class _Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, amount: float = 1.0) -> None:
        """Count `amount` more as done."""
        self._progress.advance(self._task, amount)

    def note(self, text: str) -> None:
        """Show a short text beside the bar."""
        self._progress.update(self._task, note=text)


class Bars:
    """Progress for a terminal: one bar a task with elapsed time and ETA."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._depth = 0

    @contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[Task]:
        """A bar called `name`."""
        progress = self._open()
        task = progress.add_task(name, total=total, completed=int(done), note="")
        try:
            yield _Bar(progress, task)
        finally:
            progress.remove_task(task)
            self._shut()

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, markup=False, highlight=False)

    def _open(self) -> Progress:
        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("eta"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
                transient=True,
            )
            self._progress.start()
        self._depth += 1
        return self._progress

    def _shut(self) -> None:
        self._depth -= 1
        if self._depth == 0 and self._progress is not None:
            self._progress.stop()
            self._progress = None


class _Line:
    def __init__(self, name: str, *, total: float | None, done: float, console: Lines) -> None:
        self._name, self._total, self._console = name, total, console
        self._started = self._told = console.clock.monotonic()
        self._done = self._before = done
        self._note = ""

    def advance(self, amount: float = 1.0) -> None:
        """Count `amount` more as done, and tell of it now and then."""
        self._done += amount
        now = self._console.clock.monotonic()
        if now - self._told < _every_s:
            return
        self._told = now
        elapsed = now - self._started
        if not self._total:
            self._console.say(f"{self._name}: {self._done:.0f} done in {elapsed:.0f} s {self._note}".rstrip())
            return
        fresh = self._done - self._before
        left = elapsed / fresh * (self._total - self._done) if fresh else 0.0
        self._console.say(f"{self._name}: {self._done / self._total:.0%}, eta {left:.0f} s {self._note}".rstrip())

    def note(self, text: str) -> None:
        """What the next line ends with."""
        self._note = text


class Lines:
    """Progress for a log: a line every ten seconds for each task that takes longer.

    Args:
        out: where lines go.
        clock: measures the seconds.
    """

    def __init__(self, out: TextIO, *, clock: Clock | None = None) -> None:
        self._out = out
        self.clock = clock or SystemClock()

    @contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[Task]:
        """Lines that begin with `name`."""
        yield _Line(name, total=total, done=done, console=self)

    def say(self, text: str) -> None:
        """Print one line."""
        self._out.write(f"{text}\n")
        self._out.flush()


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def print_table(title: str, head: Sequence[str], *, rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; columns of numbers are aligned on the right."""
    table = Table(title=title, title_justify="left", title_style="bold")
    cells = [[str(cell) for cell in row] for row in rows]
    for index, column in enumerate(head):
        numbers = all(row[index][:1] in "+-0123456789" for row in cells)
        table.add_column(column, justify="right" if numbers else "left")
    for row in cells:
        table.add_row(*row)
    Console().print(table)
