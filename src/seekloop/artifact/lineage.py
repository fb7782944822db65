"""From a served answer, or any artifact, back to everything that made it; and the proof that none of it changed."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seekloop.artifact import hops
from seekloop.artifact.hops import Hop
from seekloop.artifact.kinds import Artifact, Dataset, Release
from seekloop.artifact.ledger import Event, Ledger
from seekloop.artifact.rowset import TRAIN, read_rowset
from seekloop.artifact.store import RECEIPT, Store
from seekloop.system import digests
from seekloop.system.errors import ArtifactError, LedgerError, SeekloopError

__all__ = [
    "REWRITTEN",
    "SHREDDED",
    "Found",
    "Hop",
    "Lineage",
    "gather",
    "replaced",
    "replacement",
    "shredded",
    "trace",
    "verify",
    "verify_all",
]

REWRITTEN = "data.subject_erased"
"""The event that a person (its subject) was taken out of data: `replaced`, each artifact -> the one without them."""
SHREDDED = "artifact.shredded"
"""The event that files of an artifact (its subject) are removed: `files`, and the id `by` that replaces it, or None."""
_answer_prefix = "ans_"
_judges = {"gate.verdict": "gate verdict", "gate.approved": "approval", "gate.declined": "approval"}
_judges |= {"release.tainted": "taint"}
_verdicts, _erasures = tuple(_judges), ("payload.erased",)


@dataclass(frozen=True, kw_only=True)
class Found:
    """Everything behind an answer, as it was stored."""

    artifacts: tuple[Artifact, ...]
    """Nearest first."""
    events: tuple[Event, ...]
    """By number: the answer's, moves of names, verdicts, rollouts, and the one that recorded each artifact."""


@dataclass(frozen=True)
class Lineage:
    """What something goes back to, nearest first."""

    subject: str
    hops: tuple[Hop, ...]

    def __iter__(self) -> Iterator[Hop]:
        """The hops, nearest first."""
        return iter(self.hops)

    def of(self, role: str) -> list[Hop]:
        """The hops in a role, nearest first."""
        return [hop for hop in self.hops if hop.role == role]

    def as_json(self) -> dict[str, Any]:
        """The lineage as a JSON value."""
        return {"subject": self.subject, "hops": [dataclasses.asdict(hop) for hop in self.hops]}


def trace(identity: str, *, store: Store, ledger: Ledger) -> Lineage:
    """Every hop from an answer or artifact down to the base model's digest and the rows.

    The order is the one of causes: answer, release with the promotions and verdicts about it, report, checkpoints down
    to the base, dataset, rows, corpus. What two hops share stands where it is first met.

    Raises:
        LedgerError: there is no such answer, or its text was changed.
        ArtifactError: something on the way is missing or has a damaged manifest; the hop is named.
    """
    return _Tracer(store, ledger, prove=False).run([identity], subject=identity)


def gather(identity: str, *, store: Store, ledger: Ledger) -> Found:
    """The artifacts and events behind an answer.

    Raises:
        LedgerError: there is no such answer, or an artifact was never recorded.
        ArtifactError: as for `trace`.
    """
    tracer = _Tracer(store, ledger, prove=False, rows=False)
    tracer.run([identity], subject=identity)
    events = dict(tracer.events)
    for artifact in tracer.artifacts:
        created = ledger.created(artifact.id)
        if created is None:
            raise LedgerError("artifact.not_recorded", id=digests.short(artifact.id))
        events[created.seq] = created
    return Found(artifacts=tuple(tracer.artifacts), events=tuple(events[seq] for seq in sorted(events)))


def verify(identity: str, *, store: Store, ledger: Ledger) -> Lineage:
    """Trace, and read every byte on the way: the files and receipt of each artifact, all texts, the whole chain.

    Raises:
        LedgerError: the chain, a table or a text was changed; the event and its subject are named.
        ArtifactError: a file was changed or is missing; the hop and the file are named.
    """
    ledger.verify()
    return _Tracer(store, ledger, prove=True).run([identity], subject=identity)


def verify_all(*, store: Store, ledger: Ledger) -> Lineage:
    """Verify every recorded artifact and the whole chain, reading each byte once.

    Raises:
        LedgerError, ArtifactError: as for `verify`.
    """
    ledger.verify()
    newest_first = [record.id for record in reversed(ledger.artifacts())]
    return _Tracer(store, ledger, prove=True).run(newest_first, subject="ledger")


def shredded(identity: str, *, ledger: Ledger) -> set[str]:
    """Files of an artifact that were removed, as events say."""
    return {name for event in ledger.events(kind=SHREDDED, subject=identity) for name in event.facts["files"]}


def replaced(ledger: Ledger) -> dict[str, str]:
    """Every artifact that was written again without a person's rows -> what stands in its place now.

    What replaced an artifact first counts, and what replaced that one: a later replacement of the first itself may hold
    again what was taken out before.
    """
    by: dict[str, str] = {}
    for event in ledger.events(kind=[REWRITTEN, SHREDDED]):
        told = event.facts["replaced"] if event.kind == REWRITTEN else {event.subject: event.facts["by"]}
        for old, new in told.items():
            if new is not None:
                by.setdefault(old, new)
    return {old: _end(old, by) for old in by}


def replacement(identity: str, *, ledger: Ledger) -> str:
    """What stands in the place of an artifact; itself where nothing does."""
    return replaced(ledger).get(identity, identity)


def _end(identity: str, by: Mapping[str, str]) -> str:
    while identity in by:
        identity = by[identity]
    return identity


class _Tracer:
    """Walks causes depth first, each artifact once; with `prove`, reads every byte before it says anything of it.

    Without `rows`, files of rows are not read.
    """

    def __init__(self, store: Store, ledger: Ledger, *, prove: bool, rows: bool = True) -> None:
        self._store = store
        self._ledger = ledger
        self._prove = prove
        self._rows = rows
        self._met: set[str] = set()
        self._hops: list[Hop] = []
        self._rollouts: list[Event] | None = None
        self.artifacts: list[Artifact] = []
        """Every artifact on the way, nearest first."""
        self.events: dict[int, Event] = {}
        """Number -> every event on the way."""

    def run(self, identities: Sequence[str], *, subject: str) -> Lineage:
        """The hops behind all of `identities`."""
        for identity in identities:
            if identity.startswith(_answer_prefix):
                self._answer(identity)
            else:
                self._follow(identity, behind=subject)
        return Lineage(subject, tuple(self._hops))

    def _answer(self, identity: str) -> None:
        event = self._ledger.answered(identity)
        if event is None:
            raise LedgerError("artifact.no_answer", id=identity)
        self._see(event, hops.answer_hop(event))
        self._hops.append(hops.decision_hop(event))
        cached = event.facts["decoding"].get("cached")
        original = self._ledger.answered(cached["answer"]) if cached else None
        if original is not None:
            self._see(original, hops.answer_hop(original, role="cached answer"))
        for one in self._ledger.events(kind=_erasures, subject=identity):
            self._see(one, hops.event_hop(one, role="erasure"))
        rollout = event.facts.get("arm", {}).get("rollout")
        for one in self._ledger.events(subject=rollout) if rollout else ():
            self._see(one, hops.event_hop(one, role="rollout"))
        self._follow(event.facts["release"], behind=identity)

    def _follow(self, identity: str, *, behind: str) -> None:
        pending = [(identity, behind)]
        while pending:
            identity, behind = pending.pop()
            if identity in self._met:
                continue
            with _naming(identity.partition(":")[0], identity, behind=behind):
                artifact = self._store.load(identity)
            if artifact.id not in self._met:
                self._met |= {identity, artifact.id}
                with _naming(hops.role_of(artifact), artifact.id, behind=behind):
                    self._visit(artifact)
                pending += [(cause, artifact.id) for cause in reversed(hops.causes(artifact))]

    def _visit(self, artifact: Artifact) -> None:
        gone = shredded(artifact.id, ledger=self._ledger)
        if self._prove:
            self._store.verify(artifact.id, without=gone)
            self._check_receipt(artifact)
        self.artifacts.append(artifact)
        self._hops.append(hops.artifact_hop(artifact))
        for move in self._ledger.moves_to(artifact.id):
            self._see(move, hops.move_hop(move))
        for verdict in self._ledger.events(kind=_verdicts, subject=artifact.id):
            self._judged(verdict)
        if isinstance(artifact, Release):
            self._released(artifact)
        if self._rows and isinstance(artifact, Dataset) and TRAIN in artifact.files and TRAIN not in gone:
            rows = read_rowset(self._store.path(artifact.id, TRAIN))
            self._hops.append(hops.rows_hop(rows, artifact, digest=artifact.files[TRAIN].digest))

    def _judged(self, verdict: Event) -> None:
        """What a gate or a person said of an artifact, behind the rules that were written down before."""
        if verdict.kind != "gate.verdict":
            self._see(verdict, hops.event_hop(verdict, role=_judges[verdict.kind]))
            return
        self._see(verdict, hops.verdict_hop(verdict))
        rules = str(verdict.facts.get("rule_digest", ""))
        for one in self._ledger.events(kind="gate.registered", subject=rules) if rules else ():
            self._see(one, hops.event_hop(one, role="gate rules"))

    def _released(self, release: Release) -> None:
        """What happened to a release on trial: the rollouts that it took part in."""
        if self._rollouts is None:
            self._rollouts = list(self._ledger.events(kind="rollout.started"))
        for started in self._rollouts:
            if release.id in digests.canonical(started.facts).decode() and started.seq not in self.events:
                for one in self._ledger.events(subject=started.subject):
                    self._see(one, hops.event_hop(one, role="rollout"))

    def _see(self, event: Event, hop: Hop) -> None:
        if event.seq not in self.events:
            self.events[event.seq] = event
            self._hops.append(hop)

    def _check_receipt(self, artifact: Artifact) -> None:
        event = self._ledger.created(artifact.id)
        if event is None:
            raise LedgerError("artifact.not_recorded", id=digests.short(artifact.id))
        if digests.of_file(self._store.folder(artifact.id) / RECEIPT) != event.facts["receipt_digest"]:
            raise ArtifactError("artifact.changed", id=digests.short(artifact.id), file=RECEIPT)


@contextlib.contextmanager
def _naming(role: str, identity: str, *, behind: str) -> Iterator[None]:
    """Put the hop's name before whatever is wrong with it."""
    try:
        yield
    except SeekloopError as error:
        facts = {"role": role, "id": digests.short(identity), "behind": digests.short(behind)}
        raise ArtifactError("artifact.hop_broken", problem=error.sentence(), hint=error.hint(), **facts) from error
