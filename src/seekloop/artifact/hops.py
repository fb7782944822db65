"""One step of a lineage: what it is to the step before, and one line that a person can read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.kinds import Artifact, Checkpoint, Corpus, Dataset, Lesson, Release, Report, Traffic
from seekloop.artifact.records import Event
from seekloop.artifact.rowset import RowSet
from seekloop.system import digests

__all__ = [
    "Hop",
    "answer_hop",
    "artifact_hop",
    "causes",
    "decision_hop",
    "event_hop",
    "move_hop",
    "role_of",
    "rows_hop",
    "verdict_hop",
]

_shown = 3


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One thing that an answer or artifact goes back to."""

    role: str
    """What it was, for example `compressed checkpoint`."""
    id: str
    """Artifact id, answer id, file digest, `NAME@VERSION` of an alias, or `event:SEQ`."""
    kind: str
    """Artifact kind, or `answer`, `alias`, `event`, `rows`."""
    summary: str
    facts: dict[str, Any]


def causes(artifact: Artifact) -> list[str]:
    """Ids of everything that an artifact was made from or names, the ones to follow first at the front."""
    named = [*artifact.parents.values()]
    match artifact:
        case Release():
            named = [artifact.report, artifact.checkpoint, *named]
        case Report():
            named = [artifact.subject, artifact.dataset, *named, *(c.baseline for c in artifact.comparisons)]
        case Traffic():
            named += artifact.releases
        case Lesson() if artifact.corpus:
            named.append(artifact.corpus)
    rank = ["checkpoint", "dataset", "corpus"]
    if not isinstance(artifact, Release):
        named.sort(key=lambda i: rank.index(k) if (k := i.partition(":")[0]) in rank else len(rank))
    return list(dict.fromkeys(named))


def role_of(artifact: Artifact) -> str:
    """What an artifact is in a lineage."""
    match artifact:
        case Checkpoint(form="gguf"):
            return "compressed checkpoint"
        case Checkpoint(form="adapter"):
            return "adapter"
        case Checkpoint() if not artifact.parents:
            return "base"
        case Checkpoint():
            return "tuned checkpoint" if artifact.made_by.stage == "tune" else "merged checkpoint"
        case _:
            return artifact.id.partition(":")[0]


def artifact_hop(artifact: Artifact) -> Hop:
    """The hop of an artifact, with everything that is needed to make it again."""
    made = artifact.made_by
    facts = {
        "parents": artifact.parents,
        "stage": made.stage,
        "spec_digest": made.spec_digest,
        "code_version": made.code_version,
        "lock_digest": made.lock_digest,
        "seed": made.seed,
        "bytes": artifact.size,
        "files": {name: entry.digest for name, entry in artifact.files.items()},
    }
    origin = f"{made.stage}, spec {_hex(made.spec_digest)}, seed {made.seed}, code {made.code_version}"
    summary = f"{_what(artifact)}; {origin}"
    return Hop(role=role_of(artifact), id=artifact.id, kind=artifact.id.partition(":")[0], summary=summary, facts=facts)


def rows_hop(found: RowSet, dataset: Dataset, *, digest: str) -> Hop:
    """The hop of a file of rows: how many, the first ones, their source files, people, consent, the answers that some
    came back from, and what was hidden in them."""
    sources = dict(found.sources.most_common())
    named = ", ".join(itertools.islice(sources, _shown)) + (" …" if len(sources) > _shown else "")
    back = f", {len(found.origins)} back from production" if found.origins else ""
    facts = {**found.as_json(), "first": found.first, "sources": sources, "redacted": dataset.pii}
    summary = f"{found.rows} train rows of {named}{back}; {', '.join(found.first)} …"
    return Hop(role="train rows", id=digest, kind="rows", summary=summary, facts=facts)


def answer_hop(event: Event, *, role: str = "answer") -> Hop:
    """The hop of a served answer; its text is not in it."""
    facts = {**event.facts, "caller": event.actor}
    summary = f"{facts['completion_tokens']} tokens for {event.actor} at {facts['at']}, {facts['finish_reason']}"
    return Hop(role=role, id=event.subject, kind="answer", summary=summary, facts=facts)


def decision_hop(event: Event) -> Hop:
    """The hop of what was decided about an answer on its way: decoding, cache, guardrail and arm of a rollout."""
    decoding, safety, arm = event.facts["decoding"], event.facts.get("safety"), event.facts.get("arm", {})
    cached = decoding.get("cached")
    facts = {
        "decoding": {name: value for name, value in decoding.items() if name != "cached"},
        "cached": cached,
        "guardrail": safety,
        "arm": arm,
    }
    blocked = (safety or {}).get("blocked")
    told = [
        f"repeats {cached['answer']}" if cached else "generated",
        f"temperature {decoding.get('temperature', 0):g}",
        "no guardrail" if safety is None else f"guardrail {safety['mode']}",
        *([f"blocked by {blocked['rule']}"] if blocked else []),
        *([f"arm {arm['arm']} of {arm['rollout']}"] if arm else []),
    ]
    return Hop(role="decision", id=f"event:{event.seq}", kind="event", summary=", ".join(told), facts=facts)


def move_hop(event: Event) -> Hop:
    """The hop of a move that made a name stand for a release."""
    version, reason = event.facts["version"], event.facts["reason"]
    facts = {"name": event.subject, "version": version, "actor": event.actor, "reason": reason, "at": event.at}
    summary = f"{event.subject} by {event.actor} at {event.at}: {reason}"
    return Hop(role="promotion", id=f"{event.subject}@{version}", kind="alias", summary=summary, facts=facts)


def event_hop(event: Event, *, role: str) -> Hop:
    """The hop of an event that has no form of its own."""
    why = event.facts.get("reason")
    summary = f"{event.kind} by {event.actor} at {event.at}" + (f": {why}" if why else "")
    return Hop(role=role, id=f"event:{event.seq}", kind="event", summary=summary, facts=event.facts)


def verdict_hop(event: Event) -> Hop:
    """The hop of a gate's verdict."""
    summary = f"{event.facts.get('decision', '')} by {event.actor} at {event.at}"
    return Hop(role="gate verdict", id=f"event:{event.seq}", kind="event", summary=summary, facts=event.facts)


def _what(artifact: Artifact) -> str:
    match artifact:
        case Corpus():
            return f"{artifact.rows} rows of {', '.join(artifact.sources)}"
        case Dataset():
            kept = ", ".join(f"{count} {split}" for split, count in artifact.splits.items())
            return f"{artifact.rows} rows in, {kept}, {sum(artifact.dropped.values())} dropped"
        case Checkpoint():
            return f"{artifact.family} {artifact.precision}, {artifact.parameters:,} weights"
        case Report():
            return f"{artifact.split} split by {artifact.engine}: " + ", ".join(
                f"{figure.name} {figure.value:.3g} (n={figure.n})" for figure in artifact.figures[:_shown]
            )
        case Release():
            return f"temperature {artifact.decoding.temperature:g}, at most {artifact.decoding.max_tokens} tokens"
        case Traffic():
            return f"{artifact.answers} answers, {artifact.feedback} feedback"
        case Lesson():
            return f"{artifact.verdict}: {artifact.reason}"
        case _:
            return artifact.id


def _hex(digest: str) -> str:
    return digests.short(digest).rpartition(":")[2]
