"""What programs need that let a run die at a moment of their choice: of SIGKILL, SIGTERM, or a disk that is full.

Such a program forks a child for each attempt, so that what is slow to load is loaded once. The moment is told by how
often the run's progress was touched. `seen` runs one and reads what it prints: one JSON line a trial.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from seekloop.system import settings
from seekloop.system.progress import Silent

__all__ = ["Fatal", "fill_the_disk", "forked", "seen", "send"]

Touch = Literal["advance", "note", "say"]


def send(number: signal.Signals) -> Callable[[], None]:
    """Sends this process a signal."""
    return lambda: os.kill(os.getpid(), number)


def fill_the_disk() -> None:
    """From now on no file grows: the one full disk that needs no root (the kernel answers EFBIG, not ENOSPC)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


class Fatal(Silent):
    """Progress that does something at its `at`-th touch (0: never), and remembers what was said.

    Args:
        at: which touch.
        then: what happens at it.
        touches: what counts as a touch.
    """

    def __init__(self, at: int, then: Callable[[], None], *, touches: tuple[Touch, ...] = ("advance", "say")) -> None:
        self.at, self.then, self.touches = at, then, touches
        self.touched = 0
        self.lines: list[str] = []

    @contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[Fatal]:
        """The bar is the object itself."""
        yield self

    def advance(self, amount: float = 1.0) -> None:
        """Perhaps one touch."""
        self._touch("advance")

    def note(self, text: str) -> None:
        """Perhaps one touch."""
        self._touch("note")

    def say(self, text: str) -> None:
        """Perhaps one touch."""
        self.lines.append(text)
        self._touch("say")

    def _touch(self, kind: Touch) -> None:
        self.touched += kind in self.touches
        if kind in self.touches and self.touched == self.at:
            self.then()


def forked(work: Callable[[], str], *, kill_after_s: float | None = None) -> tuple[int, str]:
    """Do `work` in a child; the signal that ended it (0: none) and what it gave."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, work().encode())
        os._exit(0)
    os.close(writing)
    if kill_after_s is not None:
        select.select([], [], [], kill_after_s)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, text


def seen(program: str, folder: Path, *words: str) -> list[dict[str, Any]]:
    """The trials of a program of this kind, a module of ours, in `folder`; `words` are its further arguments."""
    environment = settings.child_environment(SEEKLOOP_THREADS="1", OMP_NUM_THREADS="1")
    done = subprocess.run(
        [sys.executable, "-m", program, str(folder), *words],
        cwd=Path(__file__).parents[1],
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
