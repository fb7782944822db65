"""A program whose cycles die: `python -m tests.loop.watch.killing_cycle FOLDER POINT…` prints one JSON line a trial.

The cycle is killed when it says something that begins with POINT: what it says, it has just recorded. `~NAME` kills it
in the middle of the bar called NAME. Then it is run again, by another process.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from seekloop.loop.project import Project
from seekloop.loop.watch.cycles import cycles_of
from seekloop.loop.watch.once import once
from seekloop.serve.rollout.desk import Desk
from seekloop.system import provenance
from seekloop.system.progress import Silent
from tests.killing import forked
from tests.loop.watch.making import answered, made, make_project


class Dies(Silent):
    """Progress that ends its process at a point."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.bar = ""
        self.lines: list[str] = []

    @contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[Dies]:
        """The bar is the object itself."""
        self.bar = name
        yield self
        self.bar = ""

    def advance(self, amount: float = 1.0) -> None:
        """Perhaps the end."""
        if self.point.startswith("~") and self.point[1:] in self.bar:
            os.kill(os.getpid(), signal.SIGKILL)

    def note(self, text: str) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Perhaps the end."""
        self.lines.append(text)
        if text.startswith(self.point):
            os.kill(os.getpid(), signal.SIGKILL)


def attempt(folder: Path, point: str = "never") -> str:
    """Look once; what came of it."""
    project = Project.open(folder)
    with project.context() as ctx:
        found = once(project.spec, ctx=replace(ctx, progress=Dies(point)))
    return json.dumps({"what": found.what, "code": found.exit_code, "reason": found.reason})


def after(folder: Path) -> dict[str, object]:
    """What a project looks like."""
    project = Project.open(folder)
    with project.context() as ctx:
        cycles = cycles_of(ctx.ledger)
        return {
            "alias": [one.target for one in ctx.ledger.alias_history(project.spec.alias)],
            "artifacts": sorted(made(ctx)),
            "triggered": [(one.id, one.trigger) for one in cycles],
            "states": [(one.state, facts_of(one.facts)) for cycle in cycles for one in cycle.changes],
            "verdicts": len(list(ctx.ledger.events(kind="gate.verdict"))),
            "rollouts": len(Desk(ledger=ctx.ledger, store=ctx.store).read().known),
            "events": ctx.ledger.verify(),
        }


def facts_of(facts: dict[str, object]) -> dict[str, object]:
    """Without what is drawn anew: names of rollouts."""
    return {name: value for name, value in facts.items() if name not in ("rollout", "reason")}


def finish(folder: Path) -> None:
    """Let people give the rollout of a cycle everything."""
    project = Project.open(folder)
    with project.context() as ctx:
        desk = Desk(ledger=ctx.ledger, store=ctx.store)
        rollout = desk.find(None, alias=project.spec.alias)
        while rollout.running:
            rollout = desk.step(rollout, actor="tester", reason="test")


def trial(template: Path, folder: Path, point: str) -> None:
    """One cycle that is killed, or not, in a copy of a project; and what was seen."""
    shutil.copytree(template, folder)
    dead, _ = forked(lambda: attempt(folder, point))
    between = after(folder)["alias"]
    _, second = forked(lambda: attempt(folder))
    if json.loads(second)["what"] == "waits":
        finish(folder)
        _, second = forked(lambda: attempt(folder))
    seen = {"point": point, "death": dead, "between": between, "second": json.loads(second)}
    print(json.dumps(seen | after(folder)), flush=True)


class Ready(BaseHTTPRequestHandler):
    """Says that it is a gateway."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main(folder: Path, points: list[str], *, canary: bool) -> None:
    """Make a project whose next look begins a cycle; then a trial a point, the first one with none."""
    server = HTTPServer(("127.0.0.1", 0), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    steps = [{"share": 0.5, "answers": 1, "minutes": 0}]
    rollout = {"mode": "canary", "steps": steps, "gateway": f"http://127.0.0.1:{server.server_port}"}
    template = folder / "template"
    project = make_project(template, rollout=rollout if canary else "direct")
    with project.context() as ctx:
        answered(ctx)
    provenance.code_version(), provenance.lock_digest()  # known to every child
    for number, point in enumerate(["never", *points]):
        trial(template, folder / f"trial-{number}", point)
    server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), [word for word in sys.argv[2:] if word != "--canary"], canary="--canary" in sys.argv)
