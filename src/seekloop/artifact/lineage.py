"""From a served answer, or any artifact, back to everything that made it; and the proof that none of it changed."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seekloop.artifact import hops
from seekloop.artifact.hops import Hop
from seekloop.artifact.kinds import Artifact, Dataset
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import RECEIPT, Store
from seekloop.system import digests
from seekloop.system.errors import ArtifactError, LedgerError, SeekloopError

__all__ = ["Hop", "Lineage", "trace", "verify", "verify_all"]

_answer_prefix, _rows = "ans_", "train.jsonl"


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


class _Tracer:
    """Walks causes depth first, each artifact once; with `prove`, reads every byte before it says anything of it."""

    def __init__(self, store: Store, ledger: Ledger, *, prove: bool) -> None:
        self._store = store
        self._ledger = ledger
        self._prove = prove
        self._met: set[str] = set()
        self._hops: list[Hop] = []

    def run(self, identities: Sequence[str], *, subject: str) -> Lineage:
        """The hops behind all of `identities`."""
        for identity in identities:
            if identity.startswith(_answer_prefix):
                event = self._ledger.answered(identity)
                if event is None:
                    raise LedgerError("artifact.no_answer", id=identity)
                self._hops.append(hops.answer_hop(event))
                self._follow(event.facts["release"], behind=identity)
            else:
                self._follow(identity, behind=subject)
        return Lineage(subject, tuple(self._hops))

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
        if self._prove:
            self._store.verify(artifact.id)
            self._check_receipt(artifact)
        self._hops.append(hops.artifact_hop(artifact))
        self._hops += [hops.alias_hop(alias) for alias in self._ledger.promotions(artifact.id)]
        verdicts = self._ledger.events(kind="gate.verdict", subject=artifact.id)
        self._hops += [hops.verdict_hop(event) for event in verdicts]
        if isinstance(artifact, Dataset) and _rows in artifact.files:
            path = self._store.path(artifact.id, _rows)
            self._hops.append(hops.rows_hop(path, digest=artifact.files[_rows].digest))

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
