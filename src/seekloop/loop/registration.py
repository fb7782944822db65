"""The rules are written down before the first row is scored: `gate.registered`, and how the ledger proves it.

The event names the candidate, the rules and their digest, the code that will score, and the data with its n. A verdict
counts only if the newest registration before the first of its reports carries the rules that it was judged by, and if
each report was begun after it: by the order of events, and by the receipt's own end and duration.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from seekloop.artifact.approvals import REGISTERED, registrations
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Report
from seekloop.artifact.ledger import Event, Ledger
from seekloop.evaluate.probes import items
from seekloop.evaluate.spec import EvaluateSpec
from seekloop.loop.rules import GateSpec
from seekloop.system import digests, provenance

__all__ = ["Objection", "objections", "register"]

_whole_seconds = 1.0
"""A receipt's end is told in whole seconds."""


class Objection(BaseModel):
    """Why a verdict does not count, whatever the figures say."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    code: str
    """A table of `gates.toml`."""
    facts: dict[str, str] = {}
    """Values for its sentence."""


def register(
    gate: GateSpec,
    candidate: Checkpoint,
    *,
    evaluate: EvaluateSpec,
    data: Mapping[str, Dataset],
    parent: str,
    ctx: RunContext,
) -> None:
    """Write the rules down; nothing is written where the newest registration of this candidate says the same.

    Args:
        gate: the rules.
        candidate: who will be held to them.
        evaluate: how it will be measured.
        data: the datasets whose rows will be scored, by the name that rules know them under.
        parent: id of the release that it is held against.
        ctx: of the run.
    """
    facts: dict[str, Any] = {
        "candidate": candidate.id,
        "parent": parent,
        "rules": gate.model_dump(mode="json"),
        "digest": gate.digest,
        "evaluator": {
            "spec": evaluate.digest,
            "code": provenance.code_version(),
            "lock": provenance.lock_digest(),
            "red_team": items.digest("safety"),
            "general": items.digest("general"),
            "judge": evaluate.probes.judge,
        },
        "data": {
            name: {"dataset": one.id, "split": evaluate.split, "n": _n(one, evaluate)} for name, one in data.items()
        },
    }
    known = registrations(candidate.id, ledger=ctx.ledger)
    if known and {**known[-1].facts, "at": ""} == {**facts, "at": ""}:
        return
    # By the clock that receipts are dated by, which need not be the ledger's.
    at = ctx.clock.now().isoformat()
    ctx.ledger.note(REGISTERED, gate.digest, facts={**facts, "at": at}, actor=ctx.actor)
    ctx.progress.say(f"gate: rules {digests.short(gate.digest)} registered for {digests.short(candidate.id)}")


def objections(gate: GateSpec, candidate: str, *, reports: Mapping[str, Report], ledger: Ledger) -> list[Objection]:
    """Why these reports cannot be judged by these rules; nothing where they can."""
    known = registrations(candidate, ledger=ledger)
    if not known:
        return [Objection(code="gates.not_registered")]
    made = {name: ledger.created(report.id) for name, report in reports.items()}
    found = [Objection(code="gates.report_unknown", facts={"on": name}) for name, one in made.items() if one is None]
    recorded = {name: one for name, one in made.items() if one is not None}
    first = min((one.seq for one in recorded.values()), default=None)
    counts = [one for one in known if first is None or one.seq < first]
    if not counts:
        facts = {"on": min(recorded, key=lambda name: recorded[name].seq)}
        return [*found, Objection(code="gates.scored_before", facts=facts)]
    registered = counts[-1]
    if registered.facts["digest"] != gate.digest:
        facts = {"registered": digests.short(registered.facts["digest"]), "judged": digests.short(gate.digest)}
        found.append(Objection(code="gates.rules_changed", facts=facts))
    early = [name for name, one in recorded.items() if _begun(one) < _moment(registered.facts["at"])]
    return [*found, *(Objection(code="gates.scored_before", facts={"on": name}) for name in early)]


def _begun(made: Event) -> dt.datetime:
    """The latest moment at which the work on an artifact can have begun: it took so long, and ended then."""
    receipt = made.facts["receipt"]
    return _moment(receipt["created_at"]) + dt.timedelta(seconds=_whole_seconds - float(receipt["wall_s"]))


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _n(dataset: Dataset, evaluate: EvaluateSpec) -> int:
    rows = dataset.splits.get(evaluate.split, 0)
    return rows if evaluate.limit is None else min(rows, evaluate.limit)
