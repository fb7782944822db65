"""The history of versions: every release, when it was in production, who moved it there and why, and its rollouts."""

from __future__ import annotations

from typing import Any

from seekloop.artifact.ledger import Ledger
from seekloop.serve.rollout.desk import Desk

__all__ = ["history"]


def history(desk: Desk) -> list[dict[str, Any]]:
    """Every recorded release, oldest first, as JSON values."""
    ledger: Ledger = desk.ledger
    rollouts = desk.read().known.values()
    return [
        {
            "release": record.id,
            "checkpoint": record.parents.get("checkpoint"),
            "report": record.parents.get("report"),
            "created_at": record.created_at,
            "moves": [
                {"alias": m.name, "version": m.version, "at": m.at, "actor": m.actor, "reason": m.reason}
                for m in ledger.promotions(record.id)
            ],
            "rollouts": [
                {"id": one.id, "role": "control" if one.control == record.id else "candidate", "phase": one.phase}
                for one in rollouts
                if record.id in (one.control, *one.spec.candidates)
            ],
        }
        for record in ledger.artifacts("release")
    ]
