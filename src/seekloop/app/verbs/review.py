"""Verbs of the review queue: show it, decide, exchange sheets, open the page."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.app.web.links import Links
from seekloop.artifact.context import RunContext
from seekloop.learn.review import sheets
from seekloop.learn.review.board import read_board
from seekloop.learn.review.desk import Desk
from seekloop.loop import registry
from seekloop.loop.project import FILE, Project
from seekloop.system.errors import UsageError
from seekloop.system.lazy import need, resolve

__all__ = ["decide", "desk_of", "doubt", "export", "serve", "show_all", "show_next", "take"]


def desk_of(reviewer: str, *, folder: Path, ctx: RunContext) -> Desk:
    """The desk of a reviewer, who sees the labels of the dataset in production; a folder without one has none.

    Raises:
        UsageError: the name is empty, or not one of a word's characters.
    """
    if not reviewer or not all(one.isalnum() or one in "-_.@" for one in reviewer):
        raise UsageError("review.bad_name", given=reviewer)
    if not (folder / FILE).exists():
        return Desk(ctx.ledger, reviewer=reviewer, clock=ctx.clock)
    alias = Project.open(folder).spec.alias
    if ctx.ledger.alias(alias) is None:
        return Desk(ctx.ledger, reviewer=reviewer, clock=ctx.clock)
    dataset = registry.released(alias, ctx=ctx).frozen
    return Desk(ctx.ledger, reviewer=reviewer, clock=ctx.clock, form=dataset.answer, labels=dataset.labels)


def show_all(*, folder: Path, as_json: bool) -> None:
    """Print the queue."""
    with context_of(folder) as ctx:
        cases = sorted(read_board(ctx.ledger).cases.values(), key=lambda one: one.place)
    if as_json:
        told = [
            {"answer": one.answer, "state": one.state, "reasons": list(one.reasons), "opinions": len(one.opinions)}
            for one in cases
        ]
        print_json({"cases": told})
        return
    rows = [(one.answer, one.state, len(one.opinions), one.wanted, ", ".join(one.reasons)) for one in cases]
    print_table(f"review queue: {len(rows)}", head=("answer", "state", "opinions", "wanted", "why"), rows=rows)


def show_next(*, reviewer: str, folder: Path, as_json: bool) -> None:
    """Print the next case."""
    with context_of(folder) as ctx:
        desk = desk_of(reviewer, folder=folder, ctx=ctx)
        shown, progress = desk.next(), desk.progress()
    if as_json:
        print_json({"case": None if shown is None else asdict(shown), **progress})
        return
    if shown is None:
        print(f"nothing waits for {reviewer}", file=sys.stderr)
        return
    for turn in shown.turns:
        print(f"{turn['role']}: {turn['content']}")
    print(f"answered: {shown.content}")
    print(shown.answer)


def decide(*, answer: str, said: Mapping[str, Any], reviewer: str, folder: Path) -> None:
    """Record a decision."""
    with context_of(folder) as ctx:
        recorded = desk_of(reviewer, folder=folder, ctx=ctx).decide(answer, **said)
    print("recorded" if recorded else "said before: nothing recorded")


def doubt(*, answer: str, reviewer: str, reason: str, folder: Path) -> None:
    """Ask for one more opinion."""
    with context_of(folder) as ctx:
        asked = desk_of(reviewer, folder=folder, ctx=ctx).doubt(answer, reason=reason)
    print("a second opinion is asked for" if asked else "the queue changed meanwhile: look again")


def export(*, out: Path, reviewer: str, folder: Path) -> None:
    """Write a sheet."""
    if out.suffix not in (".csv", ".jsonl"):
        raise UsageError("review.sheet", out=out)
    with context_of(folder) as ctx:
        count = sheets.write(out, desk_of(reviewer, folder=folder, ctx=ctx))
    print(f"{count} lines", file=sys.stderr)
    print(out)


def take(*, source: Path, reviewer: str, folder: Path) -> None:
    """Read a sheet."""
    with context_of(folder) as ctx:
        taken = sheets.read(source, desk_of(reviewer, folder=folder, ctx=ctx))
    print(f"{taken.lines} lines, {taken.decided} decided, {taken.gaps} gaps, {taken.again} said before")


def serve(*, reviewers: list[str], host: str, port: int, folder: Path) -> None:
    """Open the page until interrupted."""
    need("starlette", extra="serve")
    need("uvicorn", extra="serve")
    build, listen = resolve("seekloop.app.web.review:build"), resolve("seekloop.app.web.listening:listen")
    with context_of(folder) as ctx:
        desks = {name: desk_of(name, folder=folder, ctx=ctx) for name in reviewers}
        links = Links.in_folder(ctx.work.parent / "review")

        def announce(url: str) -> None:
            if host not in ("127.0.0.1", "::1", "localhost"):
                warning = (
                    "links and decisions cross the network unencrypted: put TLS before it outside a trusted network"
                )
                print(warning, file=sys.stderr)
            for name in reviewers:
                print(f"{name}: {url}/r/{links.token(name)}", flush=True)

        listen(build(desks, links), host=host, port=port, announce=announce)
