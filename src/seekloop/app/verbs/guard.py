"""Verbs of the extraction defence: learn, status, lift, check."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.artifact.context import STATE, RunContext
from seekloop.artifact.kinds import Checkpoint, Release
from seekloop.artifact.payloads import subject_name
from seekloop.loop.project import FILE, Project
from seekloop.model.codec import Codec
from seekloop.runtime.generate.greenlist import detect
from seekloop.serve.guard.baseline import NAMES
from seekloop.serve.guard.guard import BASELINE, BLOCKED, LIFTED, SUSPECTED, guard_key, mark_of
from seekloop.serve.guard.honey import Honey, tokens_in
from seekloop.serve.guard.learning import learn as fitted
from seekloop.serve.guard.learning import suspects
from seekloop.serve.guard.spec import GuardOptions
from seekloop.system.errors import DataError, UsageError

__all__ = ["check", "learn", "lift", "status"]

_fields = ("content", "text", "answer", "output")


def learn(*, days: int, least: int, folder: Path, as_json: bool) -> None:
    """Fit a baseline and record it.

    Raises:
        UsageError: too few keys have asked enough.
    """
    ctx = context_of(folder)
    after = (ctx.clock.now().astimezone(dt.UTC) - dt.timedelta(days=days)).isoformat()
    baseline = fitted(ctx.ledger, after=after, least=least, days=days)
    value = baseline.model_dump(mode="json")
    ctx.ledger.note(BASELINE, "guard", facts={"baseline": value, "days": days, "least": least}, actor=ctx.actor)
    ctx.ledger.close()
    if as_json:
        print_json(value)
        return
    rows = [(name, *(f"{value[name][part]:.3f}" for part in ("at_one", "slope", "spread"))) for name in NAMES]
    print_table(f"normal, by {baseline.callers} keys and days", head=("", "at 1", "per ln n", "spread"), rows=rows)


def status(*, folder: Path, as_json: bool) -> None:
    """Print what was decided."""
    ctx = context_of(folder)
    now = suspects(ctx.ledger)
    events = [event for kind in (SUSPECTED, BLOCKED, LIFTED) for event in ctx.ledger.events(kind=kind)]
    learnt = list(ctx.ledger.events(kind=BASELINE))
    ctx.ledger.close()
    if as_json:
        told = [{"key": event.subject, "what": event.kind, "at": event.at, **event.facts} for event in events]
        print_json({"baseline": learnt[-1].facts if learnt else None, "now": now, "events": told})
        return
    print(f"baseline: learnt {learnt[-1].at}" if learnt else "baseline: none yet; keys are not judged (`guard learn`)")
    rows = [
        (event.at[:19], event.subject, event.kind.removeprefix("guard."), json.dumps(event.facts))
        for event in sorted(events, key=lambda event: event.seq)
    ]
    print_table("keys", head=("when", "key", "what", "why"), rows=rows)


def lift(*, key: str, reason: str, folder: Path) -> None:
    """Record that a key is trusted."""
    ctx = context_of(folder)
    ctx.ledger.note(LIFTED, key, facts={"reason": reason}, actor=ctx.actor)
    ctx.ledger.close()
    print(f"{key} is let in, and not judged until its window has passed")


def check(*, file: Path, folder: Path, as_json: bool) -> None:
    """Look for marks.

    Raises:
        UsageError: there is nothing in the file.
        DataError: a line is no JSON object with a text.
    """
    ctx = context_of(folder)
    options = Project.open(folder).spec.gateway.guard if (folder / FILE).exists() else GuardOptions()
    secret = guard_key(folder / STATE)
    texts = list(_texts(file))
    if not texts:
        raise UsageError("guard.no_answers", path=file)
    honey = Honey(options.honey, secret=secret)
    callers, releases = _known(ctx)
    known = {honey.token(caller, release): (caller, release) for caller in callers for release in releases}
    found = tokens_in(texts, known)
    mark = None
    if codec := _codec(ctx):
        mark = detect([codec.raw_ids(text) for text in texts], mark_of(options, secret))
    ctx.ledger.close()
    if as_json:
        tokens = [{"key": key, "release": release, "texts": count} for (key, release), count in found.items()]
        print_json({"texts": len(texts), "tokens": tokens, "watermark": dataclasses.asdict(mark) if mark else None})
        return
    rows = [(key, release, count) for (key, release), count in found.most_common()]
    print_table(f"honeytokens in {len(texts)} texts", head=("key", "release", "texts"), rows=rows)
    if mark:
        print(f"watermark: {mark.green} of {mark.pairs} pairs green, z = {mark.z:.2f}, p = {mark.p:.2g} without one")


def _known(ctx: RunContext) -> tuple[list[str], list[str]]:
    """Every key and release of the answers whose texts are here."""
    callers, releases = set(), set()
    for answer in ctx.ledger.answers():
        callers.add("/".join((answer.subject or subject_name("local", answer.caller)).split("/")[:2]))
        releases.add(answer.release)
    return sorted(callers), sorted(releases)


def _codec(ctx: RunContext) -> Codec | None:
    """Of the newest release: a watermark is in its tokens."""
    releases = ctx.ledger.artifacts("release")
    if not releases:
        return None
    release = ctx.store.open(releases[-1].id, Release)
    return Codec.open(ctx.store.folder(ctx.store.open(release.checkpoint, Checkpoint).id))


def _texts(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _text(line, where=f"{file}:{number}")


def _text(line: str, *, where: str) -> str:
    if not line.startswith("{"):
        return line
    try:
        value: dict[str, Any] = json.loads(line)
        return str(next(value[name] for name in _fields if name in value))
    except (ValueError, StopIteration) as error:
        raise DataError("guard.no_text", where=where) from error
