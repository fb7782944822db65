"""Artifacts, aliases and steps: what exists, what a name stands for, what a run has finished."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, func, select

from seekloop.artifact import schema
from seekloop.artifact.journal import Journal, Pen
from seekloop.artifact.kinds import Artifact, Receipt
from seekloop.artifact.projection import Kind
from seekloop.artifact.records import Alias, ArtifactRecord, Event, StepRecord, Turn
from seekloop.system import digests
from seekloop.system.errors import LedgerError

__all__ = ["Registry"]

_artifacts = select(schema.event).join(schema.artifact, schema.artifact.c.seq == schema.event.c.seq)
_moves = select(schema.event).join(schema.alias_move, schema.alias_move.c.seq == schema.event.c.seq)
_steps = select(schema.event).join(schema.step, schema.step.c.seq == schema.event.c.seq)


class Registry:
    """Reads and appends the events of artifacts, aliases and steps."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def record_artifact(self, artifact: Artifact, receipt: Receipt, *, actor: str) -> None:
        """Record that an artifact was made; nothing happens where it is recorded already."""
        identity = artifact.id
        facts = {
            "kind": identity.partition(":")[0],
            "parents": dict(artifact.parents),
            "receipt": receipt.model_dump(mode="json"),
            "receipt_digest": digests.of_json(receipt.model_dump(mode="json")),
        }
        if self.created(identity) is not None:
            return
        with self._journal.writing() as pen:
            known = select(schema.artifact.c.seq).where(schema.artifact.c.id == identity)
            if pen.connection.execute(known).first() is None:
                pen.add(Kind.ARTIFACT, identity, facts=facts, actor=actor)

    def artifacts(self, kind: str | None) -> list[ArtifactRecord]:
        """Recorded artifacts, oldest first."""
        query = _artifacts if kind is None else _artifacts.where(schema.artifact.c.kind == kind)
        return [_artifact(event) for event in self._journal.events(query)]

    def created(self, identity: str) -> Event | None:
        """The event that recorded an artifact."""
        return self._journal.newest(_artifacts.where(schema.artifact.c.id == identity))

    def children(self, identity: str) -> list[str]:
        """Ids of the artifacts that were made from this one, oldest first."""
        table = schema.artifact_parent
        query = select(table.c.child).where(table.c.parent == identity).group_by(table.c.child)
        with self._journal.database.read() as connection:
            return list(connection.execute(query.order_by(func.min(table.c.seq))).scalars())

    def move_alias(self, name: str, target: str, *, expected_version: int | None, actor: str, reason: str) -> Alias:
        """Make `name` stand for `target`, if it is still at the expected version.

        Raises:
            LedgerError: somebody else moved it first.
        """
        with self._journal.writing() as pen:
            _add_move(pen, name, target=target, expected=expected_version, actor=actor, reason=reason)
        return _alias(pen.events[0])

    def note_next(
        self, kind: str, subject: str, *, facts: Mapping[str, Any], actor: str, after: Turn, move: Alias | None
    ) -> Event:
        """Append an event, if nothing of `after.kinds` came after event `after.seq`; and move an alias with it.

        Raises:
            LedgerError: something was decided, or the alias was moved, since.
        """
        with self._journal.writing() as pen:
            last = select(func.max(schema.event.c.seq)).where(schema.event.c.kind.in_(after.kinds))
            newest: int = pen.connection.execute(last).scalar() or 0
            if newest != after.seq:
                raise LedgerError("artifact.decided_since", kind=kind, seq=newest)
            pen.add(kind, subject, facts=facts, actor=actor)
            if move is not None:
                before = move.version - 1
                _add_move(pen, move.name, target=move.target, expected=before, actor=actor, reason=move.reason)
        return pen.events[0]

    def alias(self, name: str) -> Alias | None:
        """What a name stands for now; None where it was never given."""
        event = self._journal.newest(_moves.where(schema.alias_move.c.name == name))
        return _alias(event) if event else None

    def alias_history(self, *, name: str | None = None, target: str | None = None) -> list[Alias]:
        """Every move of a name, or to a target, oldest first."""
        query: Select[Any] = _moves
        if name is not None:
            query = query.where(schema.alias_move.c.name == name)
        if target is not None:
            query = query.where(schema.alias_move.c.target == target)
        return [_alias(event) for event in self._journal.events(query)]

    def moves_to(self, target: str) -> list[Event]:
        """The event of every move of a name to a target, oldest first."""
        return list(self._journal.events(_moves.where(schema.alias_move.c.target == target)))

    def record_step(self, *, run: str, name: str, key: str, outputs: Mapping[str, str], actor: str) -> None:
        """Record that a step of a run is finished."""
        facts = {"name": name, "key": key, "outputs": dict(outputs)}
        self._journal.append(Kind.STEP, run, facts=facts, actor=actor)

    def find_step(self, key: str) -> dict[str, str] | None:
        """Outputs of the newest finished step with this key, of any run."""
        event = self._journal.newest(_steps.where(schema.step.c.key == key))
        return dict(event.facts["outputs"]) if event else None

    def steps(self, run: str) -> list[StepRecord]:
        """The finished steps of a run, oldest first."""
        return [_step(event) for event in self._journal.events(_steps.where(schema.step.c.run == run))]


def _add_move(pen: Pen, name: str, *, target: str, expected: int | None, actor: str, reason: str) -> None:
    newest = select(func.max(schema.alias_move.c.version)).where(schema.alias_move.c.name == name)
    version: int = pen.connection.execute(newest).scalar() or 0
    if expected not in (None, version):
        raise LedgerError("artifact.alias_moved", name=name, expected=expected, version=version)
    facts = {"target": target, "version": version + 1, "reason": reason}
    pen.add(Kind.ALIAS_MOVED, name, facts=facts, actor=actor)


def _artifact(event: Event) -> ArtifactRecord:
    facts = event.facts
    return ArtifactRecord(
        id=event.subject,
        kind=facts["kind"],
        created_at=facts["receipt"]["created_at"],
        wall_s=facts["receipt"]["wall_s"],
        parents=facts["parents"],
    )


def _alias(event: Event) -> Alias:
    facts = event.facts
    return Alias(
        name=event.subject,
        target=facts["target"],
        version=facts["version"],
        actor=event.actor,
        reason=facts["reason"],
        at=event.at,
    )


def _step(event: Event) -> StepRecord:
    facts = event.facts
    return StepRecord(run=event.subject, name=facts["name"], key=facts["key"], outputs=facts["outputs"], at=event.at)
