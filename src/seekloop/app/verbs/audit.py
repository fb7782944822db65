"""Verbs of the audit: show, export, check, encrypt, rotate, erase."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.artifact.ledger import Ledger
from seekloop.system.errors import LedgerError
from seekloop.system.files import whole

__all__ = ["check", "encrypt", "erase", "export", "rotate", "show"]


def show(*, identity: str, folder: Path, as_json: bool) -> None:
    """Print an answer's row.

    Raises:
        LedgerError: there is no such answer, or it was changed.
    """
    ctx = context_of(folder)
    event = ctx.ledger.answered(identity)
    if event is None:
        raise LedgerError("artifact.no_answer", id=identity)
    text, why = _text(ctx.ledger, identity)
    ctx.ledger.close()
    if as_json:
        print_json({"event": dataclasses.asdict(event), "text": text, "locked": why})
        return
    rows = [(name, str(value)) for name, value in event.facts.items()]
    rows += [("caller", event.actor), ("event", str(event.seq)), ("recorded", event.at), ("signature", event.mac)]
    rows += [(name, json.dumps(value, ensure_ascii=False)) for name, value in text.items()] if text else [("text", why)]
    print_table(identity, head=("", ""), rows=rows)


def export(*, first: str | None, last: str | None, out: Path, texts: bool, folder: Path) -> None:
    """Write the events of a span to `out`, whole or not at all."""
    ctx = context_of(folder)
    lines = 0
    with whole(out, encoding="utf-8") as file:
        for line in ctx.ledger.export(first=first, last=last, texts=texts):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            lines += 1
    ctx.ledger.close()
    print(f"{out}: {lines - 1} events and the line that closes them")


def check(*, file: Path, folder: Path) -> None:
    """Check an export line by line.

    Raises:
        LedgerError: a line is missing or was changed.
    """
    ctx = context_of(folder)
    print(f"{ctx.ledger.check_export(_lines(file))} events, each as it was written, none missing between them")
    ctx.ledger.close()


def encrypt(*, folder: Path) -> None:
    """Encrypt what stands in clear."""
    ctx = context_of(folder)
    print(f"{ctx.ledger.encrypt(actor=ctx.actor)} texts encrypted")
    ctx.ledger.close()


def rotate(*, prepare: bool, reason: str, folder: Path) -> None:
    """Wrap the keys of texts under another master key."""
    ctx = context_of(folder)
    if prepare:
        print(
            f"{ctx.ledger.prepare_payload_key()}: copy it to every machine that shares the vault, then run this there"
        )
    else:
        count = ctx.ledger.rotate_payload_key(actor=ctx.actor, reason=reason)
        print(
            f"{count} keys are wrapped under a new master key; the old one opens nothing but older copies of the vault"
        )
    ctx.ledger.close()


def erase(*, subject: str, reason: str, folder: Path) -> None:
    """Destroy the keys of a subject."""
    ctx = context_of(folder)
    gone = ctx.ledger.erase_subject(subject, actor=ctx.actor, reason=reason)
    ctx.ledger.close()
    print(f"{gone} texts of {subject} are gone, with the keys that open them in copies of the database")


def _text(ledger: Ledger, identity: str) -> tuple[dict[str, Any] | None, str]:
    try:
        answer = ledger.answer(identity)
    except LedgerError as error:
        if error.code == "artifact.payload_changed":
            raise
        return None, error.sentence()
    text = {"messages": answer.messages, "content": answer.content, "reasoning": answer.reasoning}
    return text | {"subject": answer.subject}, ""


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            yield f"{file}:{number}", line
