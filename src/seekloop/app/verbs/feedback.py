"""Verbs of feedback: import, export, consent, aside."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import typer

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.artifact.consents import state
from seekloop.artifact.kinds import Lesson
from seekloop.learn.quarantine import read_set_aside
from seekloop.serve.caller import Caller, Role
from seekloop.serve.feedback.table import lines_of, mapping_of, write_feedback
from seekloop.serve.feedback.taking import take
from seekloop.system.errors import ArtifactError
from seekloop.system.files import whole

__all__ = ["aside", "consent", "export", "import_"]


def import_(*, file: Path, caller: str, columns: list[str], folder: Path, as_json: bool) -> None:
    """Record the lines of a file; those that cannot be are named, and the exit code is 2.

    Raises:
        UsageError: there is no such file, its name tells no form, or a mapping is none.
        DataError: a column is none of ours.
    """
    mapping = mapping_of(columns)
    with context_of(folder) as ctx:
        taken = take(
            lines_of(file, mapping=mapping),
            ledger=ctx.ledger,
            caller=Caller(name=caller, role=Role.ADMIN),
            at=ctx.clock.now().isoformat(),
        )
    if as_json:
        print_json(dataclasses.asdict(taken))
    else:
        print(f"{taken.recorded} recorded, {taken.again} recorded before, {len(taken.refused)} refused")
    for one in taken.refused:
        print(f"{file}:{one.line}: {one.message}", file=sys.stderr)
    if taken.refused:
        raise typer.Exit(2)


def export(*, out: Path, after: str | None, folder: Path) -> None:
    """Write the ledger's feedback to `out`, whole or not at all.

    Raises:
        UsageError: the name tells no form.
        LedgerError: `after` is no moment.
    """
    with context_of(folder) as ctx, whole(out, encoding="utf-8") as file:
        count = write_feedback(out, ctx.ledger.feedback(after=after), out=file)
    print(f"{out}: {count} pieces of feedback")


def consent(*, about: str, allowed: bool, reason: str, folder: Path) -> None:
    """Record a statement of consent.

    Raises:
        LedgerError: there is no such answer.
    """
    with context_of(folder) as ctx:
        state(ctx.ledger, about, allowed=allowed, actor=ctx.actor, reason=reason)
    print(f"{about}: may {'' if allowed else 'not '}be learnt from, from the next lesson on")


def aside(*, lesson: str | None, folder: Path, as_json: bool) -> None:
    """Print what a lesson set aside.

    Raises:
        ArtifactError: there is no such lesson, or none at all.
    """
    with context_of(folder) as ctx:
        known = ctx.ledger.artifacts("lesson")
        if lesson is None and not known:
            raise ArtifactError("artifact.not_found", id="lesson", root=ctx.store.root)
        found = ctx.store.open(lesson or known[-1].id, Lesson)
        lines = list(read_set_aside(found, store=ctx.store))
    if as_json:
        print_json([dataclasses.asdict(one) for one in lines])
        return
    rows = [(one.answer, one.speaker, one.label or "", one.reason, one.why) for one in lines]
    print_table(found.reason, head=("answer", "who", "says", "reason", "why"), rows=rows)
