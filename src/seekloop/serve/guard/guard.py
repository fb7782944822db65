"""The guard of a gateway: counts what each key asks, judges it, and says who is slowed down or shut out.

What is hot is in memory; every few seconds gateways put their sketches into the ledger's database and read the others'.
A decision is an event in the chain, by which it outlives every gateway and holds for all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import hmac
import logging
import secrets
from pathlib import Path

from seekloop.artifact.keys import make_key, read_key
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.payloads import subject_name
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.greenlist import GreenList
from seekloop.serve.caller import Caller
from seekloop.serve.guard.baseline import Baseline
from seekloop.serve.guard.chances import Blur
from seekloop.serve.guard.honey import Honey
from seekloop.serve.guard.sketch import Sketch, fold
from seekloop.serve.guard.spec import GuardOptions
from seekloop.system.clock import Clock
from seekloop.system.errors import SeekloopError, UsageError

__all__ = ["BASELINE", "BLOCKED", "FILE", "LIFTED", "SUSPECTED", "Guard", "Watched", "guard_key", "mark_of", "scope_of"]

FILE = "guard.key"
BASELINE, SUSPECTED, BLOCKED, LIFTED = "guard.baseline", "guard.suspected", "guard.blocked", "guard.lifted"
_every = 16
"""Queries between two looks at a caller."""
_most_scopes = 8192
_logger = logging.getLogger("seekloop.serve")


@dataclasses.dataclass
class Watched:
    """One key, as a gateway sees it."""

    today: Sketch
    """What this gateway saw today."""
    rest: Sketch
    """What it saw on the other days of the window, and what other gateways saw."""
    elsewhere: float = 0.0
    """Different prompts of today that only other gateways saw."""
    yesterday: float = 0.0
    """Different prompts of the day before, all gateways together."""
    score: float = 0.0
    judged_at: int = 0
    """Queries in the window when it was last judged."""
    dirty: bool = False
    allowed: float = 0.0
    """Queries that a slowed key may make now."""
    refilled: float = 0.0

    @property
    def queries(self) -> int:
        """In the whole window."""
        return self.today.queries + self.rest.queries


class Guard:
    """Watches the callers of one gateway; use it from its event loop.

    Args:
        options: the dials.
        secret: seeds sketches, marks and noise.
        ledger: where decisions and sketches go.
        clock: says what day it is.
    """

    def __init__(self, options: GuardOptions, *, secret: bytes, ledger: Ledger, clock: Clock) -> None:
        self.options = options
        self.honey = Honey(options.honey, secret=secret)
        self.baseline: Baseline | None = None
        """What is normal here; None: nobody has said so yet (`seekloop guard learn`), and keys are not judged."""
        self._secret = secret
        self._seed = int.from_bytes(secret[:4], "little")
        self._ledger = ledger
        self._clock = clock
        self._me = secrets.token_hex(8)
        self._dropped = ""
        self._day = self._today()
        self._watched: dict[str, Watched] = {}
        self._blocked: set[str] = set()
        self._told: set[str] = set()
        self._trusted: dict[str, dt.datetime] = {}
        self._seen = 0
        self._notes: list[tuple[str, str, dict[str, float | str]]] = []
        self._task: asyncio.Task[None] | None = None
        self._unmarked: set[str] = set()

    async def start(self) -> None:
        """Read what was seen and decided before, and begin to exchange it."""
        if self.options.action != "off":
            await asyncio.to_thread(self.exchange)
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Put down what was seen."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            with contextlib.suppress(SeekloopError):
                await asyncio.to_thread(self.exchange)

    # -- on the way of a request

    def admit(self, caller: Caller, prompt: str) -> None:
        """Take a question in, and say whether its key may ask it.

        Raises:
            UsageError: the key is shut out, is slowed down, or has asked its share of different prompts.
        """
        if self.options.action == "off":
            return
        if self._today() != self._day:
            self._turn_over()
        scope = scope_of(caller)
        watched = self._watched_of(scope)
        if scope in self._blocked and self.options.action == "block":
            raise UsageError("guard.blocked", caller=caller.name)
        folded, budget = fold(prompt), self.options.prompts_a_day
        known = watched.today.knows(folded) or watched.rest.knows(folded)
        # Asked before it is taken in, or a prompt that was refused would be a repeat the next time.
        if budget is not None and not known and round(self._spent(watched)) >= budget:
            raise UsageError("guard.budget", caller=caller.name, prompts=budget)
        watched.dirty = True
        watched.today.ask(folded)
        if watched.queries - watched.judged_at >= _every and watched.queries >= self.options.least:
            self._judge(scope, watched)
        if watched.score >= self.options.throttle_at and self.options.action in ("throttle", "block"):
            self._slow(caller, watched)

    def heard(self, caller: Caller, answer: str) -> None:
        """Take in what a key was told."""
        if self.options.action != "off":
            self._watched_of(scope_of(caller)).today.answered(answer)

    def planted(self, caller: Caller, prompt: bytes, *, release: str) -> str:
        """The honeytoken that the answer to a folded prompt ends with: mostly none."""
        return self.honey.planted(prompt, caller=scope_of(caller), release=release)

    def blur(self, role: str, prompt: Prompt) -> Blur | None:
        """How log-probabilities of an answer are told; None: as they are."""
        chances = self.options.chances
        if prompt.top is None or role in chances.exact_for:
            return None
        if chances.decimals is None and chances.top is None and not chances.noise:
            return None
        return Blur(chances, secret=self._secret, ids=prompt.ids)

    def mark(self, engine: str | None) -> GreenList | None:
        """The watermark of an answer by an engine; None: it has none."""
        if not self.options.watermark.delta:
            return None
        name = engine or "none"
        if not name.startswith("torch"):
            if name not in self._unmarked:
                self._unmarked.add(name)
                _logger.warning("the watermark is on, but %s cannot draw with it: its answers carry none", name)
            return None
        return mark_of(self.options, self._secret)

    def score(self, caller: Caller) -> float:
        """How far from normal a key is, as it was last judged."""
        watched = self._watched.get(scope_of(caller))
        return watched.score if watched else 0.0

    # -- beside requests

    def exchange(self) -> None:
        """Write decisions and sketches, read those of other gateways.

        Raises:
            LedgerError: the ledger cannot be read or written; what was to be written is kept.
        """
        while self._notes:
            kind, scope, facts = self._notes[0]
            self._ledger.note(kind, scope, facts=facts, actor="guard")
            self._notes.pop(0)
        day = self._day
        mine = {scope: watched.today.dump() for scope, watched in list(self._watched.items()) if watched.dirty}
        self._ledger.sketches.save(self._me, day, bodies=mine)
        for scope in mine:
            self._watched[scope].dirty = False
        if self._dropped != day:
            self._ledger.sketches.drop(self._first_day(day))
            self._dropped = day
        self._read_sketches(day)
        self._read_decisions()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.options.share_s)
            try:
                await asyncio.to_thread(self.exchange)
            except SeekloopError as error:
                _logger.warning("the guard cannot share what it saw: %s", error.sentence("en"))

    def _read_sketches(self, day: str) -> None:
        before = (dt.date.fromisoformat(day) - dt.timedelta(days=1)).isoformat()
        rest: dict[str, Sketch] = {}
        yesterday: dict[str, Sketch] = {}
        others: dict[str, Sketch] = {}
        for scope, owner, when, body in self._ledger.sketches.load(self._first_day(day)):
            if owner == self._me and when == day:
                continue
            try:
                sketch = Sketch.load(body, self._seed)
            except ValueError:
                _logger.warning("a sketch of %s from %s cannot be read and is left out", scope, when)
                continue
            rest.setdefault(scope, Sketch(self._seed)).add(sketch)
            if when in (before, day):
                (others if when == day else yesterday).setdefault(scope, Sketch(self._seed)).add(sketch)
        for scope, sketch in rest.items():
            watched = self._watched_of(scope)
            watched.rest = sketch
            if scope in others:
                alone = watched.today.prompts
                others[scope].add(watched.today)
                watched.elsewhere = max(0.0, others[scope].prompts - alone)
            watched.yesterday = yesterday[scope].prompts if scope in yesterday else 0.0

    def _read_decisions(self) -> None:
        kinds = (BASELINE, SUSPECTED, BLOCKED, LIFTED)
        events = [event for kind in kinds for event in self._ledger.events(kind=kind, after=self._seen)]
        for event in sorted(events, key=lambda event: event.seq):
            self._seen = event.seq
            match event.kind:
                case "guard.baseline":
                    self.baseline = Baseline.model_validate(event.facts["baseline"])
                case "guard.suspected":
                    self._told.add(event.subject)
                case "guard.blocked":
                    self._blocked.add(event.subject)
                case _:
                    self._trust(event.subject, event.at)

    def _trust(self, scope: str, at: str) -> None:
        """Take back what was decided about a key, and judge it no more until its window has passed."""
        self._blocked.discard(scope)
        self._told.discard(scope)
        self._trusted[scope] = dt.datetime.fromisoformat(at) + dt.timedelta(days=self.options.window_days)
        self._watched_of(scope).score = 0.0

    def _judge(self, scope: str, watched: Watched) -> None:
        baseline = self.baseline
        if baseline is None or (scope in self._trusted and self._clock.now() < self._trusted[scope]):
            return
        whole = Sketch(self._seed)
        whole.add(watched.rest)
        whole.add(watched.today)
        features = whole.features()
        watched.judged_at = watched.queries
        watched.score = baseline.score(features)
        facts: dict[str, float | str] = {"score": round(watched.score, 3), "queries": features.queries}
        facts |= {name: round(value, 3) for name, value in baseline.residuals(features).items()}
        if watched.score >= self.options.throttle_at and scope not in self._told:
            self._told.add(scope)
            self._notes.append((SUSPECTED, scope, facts))
        if watched.score >= self.options.block_at and self.options.action == "block" and scope not in self._blocked:
            self._blocked.add(scope)
            self._notes.append((BLOCKED, scope, facts))

    def _slow(self, caller: Caller, watched: Watched) -> None:
        now, rate = self._clock.monotonic(), self.options.slow_per_minute
        watched.allowed = min(1.0, watched.allowed + (now - watched.refilled) * rate / 60)
        watched.refilled = now
        if watched.allowed < 1.0:
            raise UsageError("guard.throttled", caller=caller.name, rate=rate)
        watched.allowed -= 1.0

    def _spent(self, watched: Watched) -> float:
        """Different prompts in the last 24 hours: today's, and yesterday's as far as they are in those hours still."""
        now = self._clock.now().astimezone(dt.UTC)
        elapsed = (now.hour * 60 + now.minute) / 1440
        return watched.today.prompts + watched.elsewhere + watched.yesterday * (1 - elapsed)

    def _watched_of(self, scope: str) -> Watched:
        found = self._watched.get(scope)
        if found is None:
            if len(self._watched) >= _most_scopes:
                quiet = min(list(self._watched), key=lambda one: self._watched[one].queries)
                del self._watched[quiet]
            found = self._watched[scope] = Watched(today=Sketch(self._seed), rest=Sketch(self._seed))
        return found

    def _turn_over(self) -> None:
        """Another day has begun; what was seen since the last exchange counts in memory only."""
        for watched in self._watched.values():
            watched.yesterday, watched.elsewhere = watched.today.prompts + watched.elsewhere, 0.0
            watched.rest.add(watched.today)
            watched.today, watched.dirty = Sketch(self._seed), False
        self._day = self._today()

    def _first_day(self, day: str) -> str:
        return (dt.date.fromisoformat(day) - dt.timedelta(days=self.options.window_days - 1)).isoformat()

    def _today(self) -> str:
        return self._clock.now().date().isoformat()


def scope_of(caller: Caller) -> str:
    """What a caller is counted as."""
    return subject_name(caller.tenant, caller.name)


def guard_key(folder: Path) -> bytes:
    """The secret of a project's guard, made at first use.

    Raises:
        LedgerError: the file holds no key.
        ArtifactError: the disk is full.
    """
    path = folder / FILE
    make_key(path)
    return read_key(path)


def mark_of(options: GuardOptions, secret: bytes) -> GreenList:
    """The watermark that a project's answers carry."""
    drawn = hmac.digest(secret, b"watermark", "sha256")
    return GreenList(int.from_bytes(drawn[:8], "little"), gamma=options.watermark.gamma, delta=options.watermark.delta)
