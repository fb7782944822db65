"""What a person says of a candidate that the rules let through: approved or declined, in the ledger, by name.

An approval is of one verdict: its event names the verdict's number, and a later verdict needs an approval of its own.
Whoever writes their name on the command line claims it, and does not prove it; the ledger proves that nobody changed
it afterwards.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from seekloop.artifact import approvals
from seekloop.artifact.approvals import APPROVED, DECLINED, VERDICT, Asked, Opinion, Standing
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.ledger import Ledger
from seekloop.loop.project import ProjectSpec
from seekloop.loop.rules import GateSpec

__all__ = ["APPROVED", "DECLINED", "VERDICT", "answer", "approved", "standing"]


def approved(
    candidate: Checkpoint, spec: ProjectSpec, *, ledger: Ledger, now: dt.datetime | None = None
) -> bool | None:
    """Whether a candidate may go into production as far as people are concerned.

    Ask after `evidence.judge` said promote. A pure function of events (and of `now`, where given).

    Args:
        candidate: the checkpoint that was judged.
        spec: the project's.
        ledger: the project's.
        now: to tell an approval that is still awaited from one that comes too late; None: it is awaited.

    Returns:
        True: the rules ask for no approval and said promote, or somebody approved in time. None: somebody has to, and
        nobody did yet. False: declined, too late, or there is no verdict that says promote.
    """
    stands = standing(candidate.id, spec.gate, ledger=ledger, now=now)
    return None if stands == "waiting" else stands == "promote"


def standing(candidate: str, gate: GateSpec, *, ledger: Ledger, now: dt.datetime | None = None) -> Standing:
    """Where a candidate stands: its newest verdict, and what became of it."""
    return approvals.standing(candidate, _asked(gate), ledger=ledger, now=now)


def answer(
    candidate: str, gate: GateSpec, *, agrees: bool, by: str, reason: str, ctx: RunContext
) -> Literal["approved", "declined"]:
    """Record what a person says; it counts for the candidate's newest verdict.

    Raises:
        UsageError: no such verdict, it asks nobody, somebody answered already, it is too late, or the person started
            the cycle and two are needed.
        LedgerError: somebody answered, or the candidate was judged again, at the same moment.
    """
    opinion = Opinion(agrees=agrees, by=by, reason=reason)
    approvals.answer(candidate, opinion, default=_asked(gate), ledger=ctx.ledger, now=ctx.clock.now())
    return "approved" if agrees else "declined"


def _asked(gate: GateSpec) -> Asked:
    """What the project file asks for by now; a verdict that carries its rules goes by those."""
    return Asked(required=gate.approval == "required", hours=gate.approval_hours, two_persons=gate.two_persons)
