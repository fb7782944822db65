"""The work of the `gate` verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table
from seekloop.artifact import approvals
from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Event
from seekloop.loop import approval, rehearing
from seekloop.loop.gates import GateSpec
from seekloop.loop.project import Project
from seekloop.system import digests
from seekloop.system.errors import LedgerError

__all__ = ["answer", "replay", "show"]


def show(*, candidate: str | None, folder: Path, as_json: bool) -> None:
    """Print verdicts."""
    project = Project.open(folder)
    with project.context() as ctx:
        if candidate is not None:
            found = _one(approvals.find(candidate, ledger=ctx.ledger), project.spec.gate, ctx=ctx)
            print_json(found) if as_json else _print_one(found)
            return
        rows = [
            _row(event, project.spec.gate, ctx=ctx) for event in approvals.newest_verdicts(ledger=ctx.ledger).values()
        ]
    if as_json:
        print_json(rows)
        return
    table = [(digests.short(r["candidate"]), r["decision"], r["standing"], r["at"][:19], r["by"]) for r in rows]
    print_table("verdicts", head=("candidate", "verdict", "now", "at", "by"), rows=table)


def replay(*, candidate: str, folder: Path, as_json: bool) -> None:
    """Make every verdict on a candidate again.

    Raises:
        LedgerError: one comes out otherwise.
    """
    with Project.open(folder).context() as ctx:
        identity = approvals.find(candidate, ledger=ctx.ledger)
        events = list(ctx.ledger.events(kind=approval.VERDICT, subject=identity))
        made = [(event, rehearing.again(event, ctx=ctx)) for event in events]
    told: list[dict[str, Any]] = [
        {
            "seq": event.seq,
            "at": event.at,
            "decision": one.stored.decision,
            "same_verdict": one.same_verdict,
            "same_evidence": one.same_evidence,
            "same_objections": one.same_objections,
        }
        for event, one in made
    ]
    if as_json:
        print_json({"candidate": identity, "verdicts": told})
    for event, one in made:
        if not one.same:
            parts = {"verdict": one.same_verdict, "evidence": one.same_evidence, "objections": one.same_objections}
            what = ", ".join(name for name, same in parts.items() if not same)
            raise LedgerError("gates.replay_differs", candidate=digests.short(identity), what=what)
        if not as_json:
            print(f"{event.at[:19]} {one.stored.decision}: made again, the same, byte for byte")


def answer(*, candidate: str, agrees: bool, reason: str, by: str, folder: Path) -> None:
    """Record what a person says."""
    project = Project.open(folder)
    with project.context() as ctx:
        identity = approvals.find(candidate, ledger=ctx.ledger)
        said = approval.answer(identity, project.spec.gate, agrees=agrees, by=by, reason=reason, ctx=ctx)
    print(f"{digests.short(identity)}: {said} by {by}")


def _row(event: Event, gate: GateSpec, *, ctx: RunContext) -> dict[str, Any]:
    return {
        "candidate": event.subject,
        "decision": event.facts["decision"],
        "standing": approval.standing(event.subject, gate, ledger=ctx.ledger, now=ctx.clock.now()),
        "at": event.at,
        "by": event.actor,
    }


def _one(identity: str, gate: GateSpec, *, ctx: RunContext) -> dict[str, Any]:
    """A verdict with its reasons in both languages, what was registered, and what people said."""
    event = approvals.newest_verdicts(ledger=ctx.ledger)[identity]
    verdict = rehearing.stored(event)
    answers = ctx.ledger.events(kind=[approval.APPROVED, approval.DECLINED], subject=identity)
    return {
        **_row(event, gate, ctx=ctx),
        "rule_digest": verdict.rule_digest,
        "states": ["objection"] * len(verdict.objections) + [one.state for one in verdict.outcomes],
        "sentences": {language: verdict.sentences(language) for language in ("en", "zh")},
        "told": verdict.sentences(),
        "registered": [
            {"seq": one.seq, "at": one.at, "by": one.actor, "digest": one.facts["digest"], "data": one.facts["data"]}
            for one in approvals.registrations(identity, ledger=ctx.ledger)
        ],
        "answers": [
            {"what": one.kind, "at": one.at, "by": one.actor, "reason": one.facts["reason"]} for one in answers
        ],
    }


def _print_one(found: dict[str, Any]) -> None:
    print(f"{digests.short(found['candidate'])}: {found['decision']}, now {found['standing']}, {found['at'][:19]}")
    for one in found["registered"]:
        print(f"rules {digests.short(one['digest'])} registered {one['at'][:19]} by {one['by']}")
    for state, sentence in zip(found["states"], found["told"], strict=True):
        print(f"- {state}: {sentence}")
    for one in found["answers"]:
        print(f"{one['what'].removeprefix('gate.')} {one['at'][:19]} by {one['by']}: {one['reason']}")
