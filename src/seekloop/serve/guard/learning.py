"""The baseline of a project: what its own keys asked on its own days, read from the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from seekloop.artifact.ledger import Answer, Ledger
from seekloop.artifact.payloads import subject_name
from seekloop.serve.guard.baseline import LOOKS, Baseline, fit
from seekloop.serve.guard.guard import BLOCKED, LIFTED, SUSPECTED
from seekloop.serve.guard.sketch import Features, Sketch, fold
from seekloop.system.errors import UsageError

__all__ = ["learn", "suspects"]

_needed = 5
_page = 2_000


def learn(ledger: Ledger, *, after: str, least: int, days: int) -> Baseline:
    """Fit a baseline on every key and day with enough queries, without keys that are under suspicion.

    Args:
        ledger: whose answers are read, with their texts.
        after: ISO 8601 time from which on.
        least: queries of a key on a day that counts.
        days: how many days that is, for the sentence.

    Raises:
        UsageError: there are too few of them.
        LedgerError: the texts cannot be read.
    """
    suspected = suspects(ledger)
    sketches: dict[tuple[str, str], Sketch] = {}
    moments: dict[tuple[str, str], list[Features]] = {}
    for answer in _answers(ledger, after):
        scope = _scope(answer)
        if scope in suspected:
            continue
        key = scope, answer.at[:10]
        sketch = sketches.setdefault(key, Sketch(0))
        sketch.ask(fold(str(answer.messages[-1]["content"])))
        sketch.answered(answer.content)
        if sketch.queries in LOOKS:
            moments.setdefault(key, []).append(sketch.features())
    busy = [moments[key] for key, sketch in sorted(sketches.items()) if sketch.queries >= least and key in moments]
    if len(busy) < _needed:
        raise UsageError("guard.few_callers", callers=len(busy), least=least, days=days, needed=_needed)
    return fit(busy)


def suspects(ledger: Ledger) -> dict[str, str]:
    """Keys that are under suspicion or shut out, and which of the two it is, as the newest event says."""
    found: dict[str, str] = {}
    events = [event for kind in (SUSPECTED, BLOCKED, LIFTED) for event in ledger.events(kind=kind)]
    for event in sorted(events, key=lambda event: event.seq):
        if event.kind == LIFTED:
            found.pop(event.subject, None)
        else:
            found[event.subject] = event.kind
    return found


def _answers(ledger: Ledger, after: str) -> Iterator[Answer]:
    while page := ledger.answers(after=after, limit=_page):
        yield from page
        after = page[-1].id


def _scope(answer: Answer) -> str:
    whole = answer.subject or subject_name("local", answer.caller)
    return "/".join(whole.split("/")[:2])
