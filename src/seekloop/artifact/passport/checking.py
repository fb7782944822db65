"""Checks a passport: with the file and a public key alone, or against the store and the ledger that it speaks of.

Offline: the signature covers every byte; each manifest is the one that its id is the digest of; what one names, another
is; each of the ten hops follows from the evidence; the answer is the one that is named. Each problem is told with its
hop, also where the signature has failed already, so that a change is found where it was made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.passport.claims import HOPS, Evidence, hop_of, stands_on
from seekloop.artifact.passport.envelope import open_envelope
from seekloop.artifact.passport.making import PREDICATE, STATEMENT, commitments
from seekloop.artifact.passport.signing import PublicKeys
from seekloop.artifact.rowset import root_of, rowset_of
from seekloop.artifact.store import RECEIPT, Store
from seekloop.system import digests
from seekloop.system.errors import ArtifactError, SeekloopError

__all__ = ["Checked", "Problem", "check", "examine", "examine_store"]

_malformed = (KeyError, TypeError, ValueError, AttributeError, IndexError)
_event_names = {"seq", "kind", "subject", "at", "actor", "facts", "prev", "mac"}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is not as it was signed."""

    hop: str
    """Name of the hop, or `signature`, or `statement` for what belongs to none."""
    what: str
    """In English, with digests or file names."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a file says, and what is wrong with it."""

    answer: str
    key_id: str
    made_at: str
    hops: list[dict[str, Any]]
    evidence: Mapping[str, Any]
    problems: tuple[Problem, ...]


def check(
    data: bytes, *, keys: PublicKeys, where: Path, store: Store | None = None, ledger: Ledger | None = None
) -> Checked:
    """A passport in which all is right.

    Args:
        data: the file.
        keys: the public keys that may have signed it.
        where: the file's name, for whoever reads the error.
        store: read every byte of every artifact again, too.
        ledger: compare every event, and verify the whole chain, too.

    Raises:
        ArtifactError: something is not as it was signed; the hop is named.
    """
    found = examine(data, keys=keys)
    problems = list(found.problems)
    if found.evidence and store is not None:
        problems += examine_store(found, store=store, ledger=ledger)
    # Where a hop is known to be wrong, that says more than that the signature does not hold.
    problems.sort(key=lambda one: HOPS.index(one.hop) if one.hop in HOPS else len(HOPS))
    if problems:
        first = problems[0]
        named = f"{HOPS.index(first.hop) + 1} ({first.hop})" if first.hop in HOPS else first.hop
        facts = {"hop": named, "problem": first.what, "count": len(problems), "where": where}
        raise ArtifactError("passport.broken", hops=sorted({one.hop for one in problems}), **facts)
    return found


def examine(data: bytes, *, keys: PublicKeys) -> Checked:
    """Everything that can be said of a file without store and ledger."""
    envelope = open_envelope(data, keys=keys)
    problems = [Problem(hop="signature", what=envelope.problem)] if envelope.problem else []
    statement = envelope.statement
    try:
        if statement is None:
            raise ValueError("no statement")
        (subject,) = statement["subject"]
        predicate = statement["predicate"]
        evidence = Evidence(predicate["evidence"], answer=str(subject["name"]))
        told, made_at = list(predicate["hops"]), str(predicate["made_at"])
        shape = set(statement) == {"_type", "subject", "predicateType", "predicate"} and set(predicate) == {
            "made_at",
            "hops",
            "evidence",
        }
        if not shape or (statement["_type"], statement["predicateType"]) != (STATEMENT, PREDICATE):
            problems.append(Problem(hop="statement", what="it is a statement of another type"))
        for look in (_artifacts(evidence), _hops(told, evidence), _inside(subject, evidence)):
            problems.extend(look)
    except _malformed:
        problems.append(Problem(hop="statement", what="it is no passport that can be read"))
        return Checked(answer="", key_id=envelope.key_id, made_at="", hops=[], evidence={}, problems=tuple(problems))
    return Checked(
        answer=evidence.answer,
        key_id=envelope.key_id,
        made_at=made_at,
        hops=told,
        evidence=evidence.value,
        problems=tuple(problems),
    )


def examine_store(found: Checked, *, store: Store, ledger: Ledger | None) -> list[Problem]:
    """Read every byte that a passport speaks of again.

    Args:
        found: what `examine` gave.
        store: where the artifacts are.
        ledger: where the events are; None: they are not looked at.
    """
    evidence = Evidence(found.evidence, answer=found.answer)
    problems = [*_stored(evidence, store=store), *_row_files(evidence, store=store)]
    return problems if ledger is None else [*problems, *_recorded(evidence, found, ledger=ledger)]


def _artifacts(evidence: Evidence) -> Iterator[Problem]:
    """Manifests that are not those of their ids, and names that lead nowhere."""
    for identity, manifest in evidence.artifacts.items():
        if f"{manifest['kind']}:{digests.of_json(manifest).removeprefix('sha256:')}" != identity:
            what = f"the manifest of {digests.short(identity)} is another one"
            yield Problem(hop=_hop_with(identity, evidence), what=what)
        for parent in manifest["parents"].values():
            if parent not in evidence.artifacts:
                what = f"{digests.short(identity)} names {digests.short(parent)}, which is not there"
                yield Problem(hop=_hop_with(identity, evidence), what=what)


def _hops(told: list[Any], evidence: Evidence) -> Iterator[Problem]:
    """Hops that do not follow from the evidence."""
    if [one["name"] for one in told] != list(HOPS):
        yield Problem(hop="statement", what="it does not have the ten hops")
        return
    for one in told:
        try:
            expected = json.loads(digests.canonical(hop_of(one["name"], evidence)))
        except _malformed as error:
            yield Problem(hop=one["name"], what=f"evidence is missing: {type(error).__name__} {error}")
            continue
        for name in sorted({*one, *expected}):
            if one.get(name) != expected.get(name):
                yield Problem(hop=one["name"], what=f"its {name} does not follow from the evidence")


def _inside(subject: Mapping[str, Any], evidence: Evidence) -> Iterator[Problem]:
    """What else must fit within the file."""
    if subject["digest"] != {"sha256": digests.of_json(dict(evidence.answered)).removeprefix("sha256:")}:
        yield Problem(hop="weights", what="the answer's record is another one than the subject's")
    report = evidence.artifacts[evidence.release["report"]]
    if report["subject"] != evidence.release["checkpoint"]:
        yield Problem(hop="evaluation", what="the report is about another checkpoint than the one that answered")
    seqs = [event["seq"] for event in evidence.value["events"]]
    if any(set(event) != _event_names for event in evidence.value["events"]) or seqs != sorted(set(seqs)):
        yield Problem(hop="ledger", what="its events are not in order")
    for before, after in zip(evidence.value["events"], evidence.value["events"][1:], strict=False):
        if after["seq"] == before["seq"] + 1 and after["prev"] != before["mac"]:
            yield Problem(hop="ledger", what=f"event {after['seq']} does not follow from the one before")
    for dataset, rows in evidence.value["rows"].items():
        manifest = evidence.artifacts[dataset]
        if rows["digest"] != manifest["files"]["train.jsonl"]["digest"]:
            yield Problem(hop="rows", what=f"the rows are not those of {digests.short(dataset)}")
        leaves = rows.get("leaves")
        if leaves is not None and (root_of(leaves), len(leaves)) != (rows["root"], rows["rows"]):
            yield Problem(hop="rows", what=f"the rows of {digests.short(dataset)} have another root")
    texts = evidence.value["texts"]
    if texts["said"] is not None and commitments(texts["said"], opening=texts["opening"]) != texts["digests"]:
        yield Problem(hop="decision", what="the texts are not those that were committed to")


def _stored(evidence: Evidence, *, store: Store) -> Iterator[Problem]:
    created = {event["subject"]: event for event in evidence.events("artifact.created")}
    for identity, manifest in evidence.artifacts.items():
        hop = _hop_with(identity, evidence)
        try:
            if store.verify(identity).model_dump(mode="json") != manifest:
                yield Problem(hop=hop, what=f"{digests.short(identity)} has another manifest")
            receipt = digests.of_file(store.folder(identity) / RECEIPT)
            if receipt != created[identity]["facts"]["receipt_digest"]:
                yield Problem(hop=hop, what=f"{digests.short(identity)}: {RECEIPT} is another one")
        except SeekloopError as error:
            yield Problem(hop=hop, what=error.sentence("en"))
        except _malformed:
            yield Problem(hop=hop, what=f"nothing says when {digests.short(identity)} was recorded")


def _row_files(evidence: Evidence, *, store: Store) -> Iterator[Problem]:
    """Whether the rows that are there now count and hash to what was signed."""
    for identity, told in evidence.value["rows"].items():
        try:
            again = rowset_of(store.open(identity, Dataset), store=store, leaves="leaves" in told)
            if again is None or json.loads(digests.canonical(again.as_json())) != told:
                yield Problem(hop="rows", what=f"the rows of {digests.short(identity)} are others")
        except SeekloopError as error:
            yield Problem(hop="rows", what=error.sentence("en"))


def _recorded(evidence: Evidence, found: Checked, *, ledger: Ledger) -> Iterator[Problem]:
    by_seq = {seq: one["name"] for one in reversed(found.hops) for seq in one["events"]}
    for event in evidence.value["events"]:
        hop = by_seq.get(event["seq"], "ledger")
        try:
            recorded = ledger.event(event["seq"])
            if recorded is None or vars(recorded) != event:
                yield Problem(hop=hop, what=f"event {event['seq']} is another one in the ledger")
        except SeekloopError as error:
            yield Problem(hop=hop, what=error.sentence("en"))
    head = evidence.value["ledger"]["head"]
    try:
        ledger.verify()
        now = ledger.event(head["seq"])
        if now is None or now.mac != head["mac"]:
            yield Problem(hop="ledger", what=f"the chain had another event {head['seq']} when this was signed")
    except SeekloopError as error:
        yield Problem(hop="ledger", what=error.sentence("en"))


def _hop_with(identity: str, evidence: Evidence) -> str:
    """The first hop that stands on an artifact."""
    for name in HOPS:
        try:
            if identity in stands_on(name, evidence)[0]:
                return name
        except _malformed:
            return name
    return "sources"
