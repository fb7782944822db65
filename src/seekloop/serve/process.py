"""A gateway in a process of its own: started, waited for, followed and stopped. Needs no web package here."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from seekloop.serve.access.entry import trust_of
from seekloop.serve.keys import local_key
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.system import digests
from seekloop.system.errors import EngineError

__all__ = ["ServerProcess"]

_poll_s = 0.05
_closing_s = 15.0
"""For what a gateway does beside draining when it stops."""


class ServerProcess:
    """The gateway of a project, as a context manager: ready inside the block, gone after it.

    Args:
        project: the project's folder.
        alias: whose release is served.
        port: 0 takes any free one.
        options: limits and waits of the gateway.
        ready_s: how long it may take until the first release answers.
    """

    def __init__(
        self,
        project: Path,
        *,
        alias: str = "production",
        port: int = 0,
        options: GatewayOptions | None = None,
        ready_s: float = 120.0,
    ) -> None:
        self._place = Place(project)
        self._alias = alias
        self._port = port
        self._options = options or GatewayOptions()
        self._ready_s = ready_s
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx2.Client(timeout=10.0, verify=trust_of(self._options.access))
        self.url = ""
        """Where it listens: `http://127.0.0.1:PORT`."""

    @property
    def key(self) -> str:
        """The project's bearer key."""
        return local_key(self._place.state)

    @property
    def pid(self) -> int:
        """Of the gateway's process."""
        return self._running().pid

    def __enter__(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            EngineError: it ended, or was not ready in time; the end of its log is told.
        """
        self._place.address.unlink(missing_ok=True)
        command = [sys.executable, "-m", "seekloop.serve.server", "--until-eof"]
        command += ["--project", str(self._place.project), "--alias", self._alias, "--port", str(self._port)]
        changed = self._options.model_dump(mode="json", exclude_defaults=True, exclude={"alias"})
        command += [part for name, value in changed.items() for part in ("--set", f"{name}={json.dumps(value)}")]
        with self._place.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            self._wait("ready", self._is_ready, seconds=self._ready_s)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def wait_for(self, release: str, *, seconds: float = 120.0) -> None:
        """Wait until `release` is the one that answers.

        Raises:
            EngineError: the gateway ended, or did not change in time; the reason is told.
        """

        def serves() -> bool:
            return (self.releases()["serving"] or {}).get("release") == release

        self._wait(f"serving {digests.short(release)}", serves, seconds=seconds)

    def releases(self) -> dict[str, Any]:
        """What `GET /v1/releases` says."""
        response = self._client.get(f"{self.url}/v1/releases", headers=self._headers())
        response.raise_for_status()
        found: dict[str, Any] = response.json()
        return found

    def stop(self) -> int:
        """Ask it to finish what is in flight and end; returns its exit code. A second time does nothing more."""
        self._running().terminate()
        self._client.close()
        return self.wait()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._running().kill()

    def let_go(self) -> None:
        """Do as if this process ended: close the pipe by which the gateway knows that it lives."""
        pipe = self._running().stdin
        if pipe is not None:
            pipe.close()

    def wait(self) -> int:
        """Wait for its end, and make sure of it; returns its exit code."""
        process = self._running()
        try:
            process.wait(self._options.drain_s + _closing_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.let_go()
        return process.returncode

    def _is_ready(self) -> bool:
        address = self._place.address
        if not self.url and address.is_file():
            self.url = json.loads(address.read_bytes())["url"]
        if not self.url:
            return False
        try:
            return self._client.get(f"{self.url}/readyz", headers=self._headers()).status_code == 200
        except httpx2.TransportError:
            return False  # it listens from the moment the address is written, and answers a little later

    def _wait(self, what: str, done: Callable[[], bool], *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            ended = self._running().poll() is not None
            if ended or time.monotonic() > deadline:
                raise EngineError("serve.not_in_time", what=what, seconds=seconds, reason=self._reason())
            time.sleep(_poll_s)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("use it as a context manager")
        return self._process

    def _reason(self) -> str:
        """Why it is not as it should be: what the gateway says while it answers, else the end of its log."""
        if self.url and self._running().poll() is None and (problem := self.releases()["problem"]):
            return str(problem)
        lines = self._place.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
