"""A supervised engine process: started with a secret, waited for, listened to, and ended for certain."""

from __future__ import annotations

import logging
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

from seekloop.runtime.generate.sandbox import Containment, Mode
from seekloop.system import settings
from seekloop.system.errors import EngineError

__all__ = ["Worker"]

_kept_lines = 40
_told_lines = 3
_reap_s = 10.0
_logger = logging.getLogger("seekloop.runtime")


class Worker:
    """One child process that runs a module of ours.

    It is started by a thread that lives as long as the process: on Linux a child can ask to die with its parent, and
    that means the thread that started it.

    Args:
        module: what `python -m` runs.
        engine: name for error messages.
        ready_s: longest wait for its address.
        sandbox: whether it is shut in: see `sandbox.py`.
    """

    def __init__(self, module: str, *, engine: str, ready_s: float = 120.0, sandbox: Mode = "off") -> None:
        self._module = module
        self._engine = engine
        self._ready_s = ready_s
        self._lines: deque[str] = deque(maxlen=_kept_lines)
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._sandbox = sandbox
        self.containment: Containment | None = None
        """How far it is shut in; None: not at all."""
        self.folder = None if sandbox == "off" else Path(tempfile.mkdtemp(prefix="seekloop-engine-"))
        """The only place where it may write, where it is shut in; gone with it."""

    def start(self, config: str) -> str:
        """Start the process and hand it one line of configuration; returns the line that it answers with.

        Raises:
            EngineError: it ended or said nothing in time; it does not run any more.
        """
        started: queue.SimpleQueue[subprocess.Popen[str] | OSError] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(started.put,), name=self._engine, daemon=True)
        self._thread.start()
        process = started.get()
        if isinstance(process, OSError):
            raise EngineError("runtime.worker_not_started", engine=self._engine, problem=process) from process
        self._process = process
        answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        assert process.stdin is not None and process.stdout is not None
        lines = 1 if self.folder is None else 2
        threading.Thread(target=_read, args=(process.stdout, answers.put), kwargs={"lines": lines}, daemon=True).start()
        try:
            process.stdin.write(config + "\n")
            process.stdin.flush()
            if self.folder is not None:
                self._shut_in(answers.get(timeout=self._ready_s))
            address = answers.get(timeout=self._ready_s)
        except EngineError:
            self.kill()
            raise
        except (BrokenPipeError, queue.Empty) as error:
            self.kill()
            raise EngineError(
                "runtime.worker_not_ready", engine=self._engine, seconds=f"{self._ready_s:.0f}", lines=self.last_lines()
            ) from error
        if not address:
            raise self.death()
        return address.strip()

    @property
    def pid(self) -> int:
        """Of the process.

        Raises:
            ValueError: it was not started.
        """
        if self._process is None:
            raise ValueError("not started")
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def death(self) -> EngineError:
        """The error that tells how the process ended; ends it where it did not."""
        self._reap()
        code = self._process.returncode if self._process else None
        return EngineError("runtime.worker_died", engine=self._engine, code=code, lines=self.last_lines())

    def last_lines(self) -> str:
        """The end of what the process wrote to standard error."""
        lines = [line for line in self._lines if line.strip()]
        return " | ".join(line.strip() for line in lines[-_told_lines:]) or "-"

    def kill(self) -> None:
        """End the process, whatever state it is in, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def _shut_in(self, line: str) -> None:
        """Take note of how far it is shut in, and say what is missing."""
        if not line:
            raise self.death()
        self.containment = Containment.from_json(line)
        if self.containment.lacks:
            facts = {"engine": self._engine, "lacks": ", ".join(self.containment.lacks)}
            if self._sandbox == "require":
                raise EngineError("sandbox.required", **facts, problem=self.containment.problem)
            _logger.warning("%s", EngineError("sandbox.partly", **facts, problem=self.containment.problem).sentence())

    def _reap(self) -> None:
        """Wait for the process and for the end of what it wrote."""
        if self._process is None or self._thread is None:
            return
        try:
            self._process.wait(timeout=_reap_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join(_reap_s)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self) -> list[str]:
        if self.folder is None:
            return ["-m", self._module]
        return ["-m", "seekloop.runtime.generate.sandbox", self._sandbox, str(self.folder), self._module]

    def _places(self) -> dict[str, str]:
        return {} if self.folder is None else {"TMPDIR": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}

    def _run(self, started: Callable[[subprocess.Popen[str] | OSError], None]) -> None:
        try:
            process = subprocess.Popen(
                [sys.executable, *self._command()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C in a terminal is the parent's business
                env=settings.child_environment(**_environment, **self._places()),
            )
        except OSError as error:
            started(error)
            return
        started(process)
        assert process.stderr is not None
        with process.stderr as errors:
            self._lines.extend(errors)


def _read(out: IO[str], put: Callable[[str], None], *, lines: int) -> None:
    for _ in range(lines):
        put(out.readline())


# Threads that wait for each other spin for some microseconds, then sleep: see design/engines.md.
_environment = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000", "PYTHONUNBUFFERED": "1"}
