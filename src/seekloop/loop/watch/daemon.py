"""Look again and again until told to stop: whoever is told so saves its work and gives the lease back."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from seekloop.artifact.context import RunContext
from seekloop.loop.project import ProjectSpec
from seekloop.loop.watch.cycle import Stopped
from seekloop.loop.watch.once import Outcome, once
from seekloop.system.errors import SeekloopError

__all__ = ["stop_signals", "watch"]


@contextlib.contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that is set when SIGTERM or Ctrl-C comes inside the block; a second Ctrl-C interrupts at once."""
    came = threading.Event()

    def note(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and came.is_set():
            raise KeyboardInterrupt
        came.set()

    earlier = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield came
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def watch(spec: ProjectSpec, *, stop: threading.Event, heard: Callable[[Outcome], None], ctx: RunContext) -> None:
    """Look every `poll_s` seconds until `stop` is set.

    A problem that somebody can fix, such as a database that is away, is said, and looked at again.

    Args:
        spec: of the project.
        stop: set when this process shall end.
        heard: is given what came of each look, where it is not the same as before.
        ctx: of the project.
    """
    before: tuple[str, str] | None = None
    while not stop.is_set():
        try:
            found = once(spec, ctx=ctx, told=stop.is_set)
        except Stopped:
            return
        except SeekloopError as error:
            said = error.code, error.sentence()
            if said != before:
                ctx.progress.say(str(error))
        else:
            said = found.what, found.reason
            if said != before:
                heard(found)
            if found.what == "ended":
                before = said
                continue
        before = said
        stop.wait(spec.watch.poll_s)
