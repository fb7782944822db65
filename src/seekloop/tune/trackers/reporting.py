"""Trackers as observers of a run: each has a thread of its own, so that none of them can stop or slow the run."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from seekloop.artifact.context import RunContext
from seekloop.runtime.train.state import State
from seekloop.tune.trackers.build import build
from seekloop.tune.trackers.tracker import Run, Tracker

__all__ = ["Reporter", "Reports", "reporting"]

_patience_s = 30.0
"""What a run that is over waits for its trackers: what they have not taken by then they will not take."""
_hurry_s = 3.0
"""The same for a run that was told to stop, or failed: its machine may be taken away."""

Call = Callable[[], None]


class Reporter:
    """One tracker.

    Args:
        name: as `report_to` has it.
        tracker: called from a thread of its own.
        run: what it is told of.
        say: prints a line for people.
        logger: gets the traceback of what the tracker raises.
    """

    def __init__(
        self, name: str, tracker: Tracker, *, run: Run, say: Callable[[str], None], logger: logging.Logger
    ) -> None:
        self.name = name
        self._tracker, self._run, self._say, self._logger = tracker, run, say, logger
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._failed = ""
        self._said = False
        # A thread that hangs in somebody's library must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"report-{name}", daemon=True)

    def begin(self, state: State, *, steps: int) -> None:
        """The run begins, or goes on."""
        history = list(state.history)
        self._thread.start()
        self._calls.put(lambda: self._tracker.begin(self._run, history=history))

    def entry(self, entry: Mapping[str, float]) -> None:
        """Hand an entry on, without waiting."""
        self._speak()
        self._calls.put(lambda: self._tracker.entry(entry))

    def end(self, state: State) -> None:
        """The artifact is not there yet; `close` comes after it."""

    def close(self, artifact: str | None, *, patience_s: float = _patience_s) -> None:
        """The run is over: wait a while for the tracker to take the rest.

        Args:
            artifact: what came of the run; None: nothing yet.
            patience_s: seconds.
        """
        if not self._thread.is_alive():
            return
        self._calls.put(lambda: self._tracker.end(artifact))
        self._calls.put(None)
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self._failed = self._failed or f"it has not taken everything after {patience_s:g} s"
        self._speak()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if self._failed:
                continue
            try:
                call()
            except Exception as error:
                self._logger.warning("%s failed", self.name, exc_info=True)
                self._failed = f"{type(error).__name__}: {error}"

    def _speak(self) -> None:
        if self._failed and not self._said:
            self._said = True
            self._say(f"{self.name}: nothing more is reported there, the run goes on; {self._failed}")


class Reports:
    """The trackers of one run. Set `artifact` once it is there."""

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self.observers = tuple(reporters)
        self.artifact: str | None = None


@contextlib.contextmanager
def reporting(names: Sequence[str], *, key: str, facts: Mapping[str, object], ctx: RunContext) -> Iterator[Reports]:
    """Open the trackers called `names`, and close them with the block, whatever becomes of it.

    Args:
        names: as `report_to` has them.
        key: the run's, the same for every attempt.
        facts: what the run is made of.
        ctx: its folder is where they write, under `tracking/`.

    Raises:
        MissingPackage: a tracker's package is not installed.
    """
    place = ctx.root / "tracking"
    reporters = [
        Reporter(
            name,
            build(name, say=ctx.progress.say),
            run=Run(id=key, folder=place / name, facts=facts),
            say=ctx.progress.say,
            logger=ctx.logger,
        )
        for name in names
    ]
    reports = Reports(reporters)
    for reporter in reporters:
        ctx.progress.say(f"report_to: {place / reporter.name}")
    try:
        yield reports
    finally:
        for reporter in reporters:
            reporter.close(reports.artifact, patience_s=_patience_s if reports.artifact else _hurry_s)
