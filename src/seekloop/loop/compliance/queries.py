"""The queries that controls name: which events each reads, and what it counts beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.credentials import Credential, apply
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.store import Store
from seekloop.loop.compliance.history import History
from seekloop.loop.project import ProjectSpec
from seekloop.system import provenance
from seekloop.system.errors import ArtifactError, LedgerError

__all__ = ["QUERIES", "Query", "World", "chain_state", "keys_at_the_end"]


@dataclass(frozen=True, kw_only=True)
class World:
    """What queries read."""

    history: History
    spec: ProjectSpec
    ctx: RunContext
    chain: Mapping[str, Any]
    """What verifying the ledger gave: see `chain_state`."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """One query."""

    kinds: tuple[str, ...]
    """Of the events that are told; a kind that ends in a dot is all kinds of that room."""
    more: Callable[[World], dict[str, Any]]
    """What is counted beside events."""

    def run(self, world: World) -> dict[str, Any]:
        """Counts and rows of the period."""
        history = world.history
        return {"events": history.count(self.kinds), "more": self.more(world), "rows": history.told(self.kinds)}


def keys_at_the_end(world: World) -> list[Credential]:
    """API keys as they were at the end of the period."""
    known: dict[str, Credential] = {}
    apply(known, (one for one in world.ctx.ledger.credentials.events() if not world.history.period.is_over(one.at)))
    return list(known.values())


def _end(world: World) -> str:
    """The end of the period, or now."""
    return world.history.period.last or world.ctx.clock.now().isoformat(timespec="microseconds")


def _live(world: World) -> list[Credential]:
    return [one for one in keys_at_the_end(world) if one.live(_end(world))]


def _access(world: World) -> dict[str, Any]:
    live = _live(world)
    roles = Counter(str(one.grant.get("role", "user")) for one in live)
    tenants = Counter(str(one.grant.get("tenant", "local")) for one in live)
    return {"live_keys": len(live), "by_role": dict(sorted(roles.items())), "by_tenant": dict(sorted(tenants.items()))}


def _authentication(world: World) -> dict[str, Any]:
    live = _live(world)
    endless = [one.id for one in live if one.expires_at is None]
    revoked = [one.id for one in keys_at_the_end(world) if one.revoked_at is not None]
    return {"live_keys": len(live), "that_never_expire": endless, "revoked_ever": len(revoked)}


def _privileged(world: World) -> dict[str, Any]:
    held = {one.name: str(one.grant.get("role")) for one in _live(world)}
    held = {name: role for name, role in held.items() if role not in ("user", "None")}
    did: dict[str, dict[str, int]] = {}
    for (kind, actor), n in sorted(world.history.actors.items()):
        did.setdefault(actor, {})[kind] = n
    return {"keys_above_user": held, "acts_by_actor": did}


def _records(world: World) -> dict[str, Any]:
    return {"chain": dict(world.chain), "artifacts_recorded": dict(sorted(world.history.artifacts.items()))}


def _privacy(world: World) -> dict[str, Any]:
    masked: Counter[str] = Counter()
    rows = 0
    unreadable = []
    for identity in world.history.made:
        if identity.startswith("dataset:"):
            dataset = _dataset(identity, world.ctx.store)
            if dataset is None:
                unreadable.append(identity)
                continue
            masked.update(dataset.pii)
            rows += dataset.rows
    told: dict[str, Any] = {
        "dataset_rows": rows,
        "values_masked_by_kind": dict(sorted(masked.items())),
        "not_readable": unreadable,
    }
    told["consent_with_answers_and_feedback"] = dict(sorted(world.history.consent.items()))
    return {**told, "retention_days": world.spec.retention.model_dump(exclude_none=True)}


def _dataset(identity: str, store: Store) -> Dataset | None:
    """None: it is not in the store any more, which is counted."""
    try:
        return store.open(identity, Dataset)
    except ArtifactError:
        return None


def _deletion(world: World) -> dict[str, Any]:
    return {"retention_days": world.spec.retention.model_dump(exclude_none=True)}


def _encrypted(world: World) -> dict[str, Any]:
    return {"texts_recorded": dict(sorted(world.history.texts.items()))}


def _restriction(world: World) -> dict[str, Any]:
    return {**_access(world), **_encrypted(world)}


def _safety(world: World) -> dict[str, Any]:
    history = world.history
    return {"answers": dict(sorted(history.safety.items())), "policies": dict(sorted(history.policies.items()))}


def _configuration(world: World) -> dict[str, Any]:
    versions: Counter[str] = Counter()
    locks: Counter[str] = Counter()
    gone = 0
    for identity in world.history.made:
        try:
            origin = world.ctx.store.load(identity).made_by
        except ArtifactError:
            gone += 1
            continue
        versions[origin.code_version] += 1
        locks[origin.lock_digest] += 1
    return {
        "project_digest": world.spec.digest,
        "artifacts_by_code_version": dict(sorted(versions.items())),
        "artifacts_by_installed_packages": dict(sorted(locks.items())),
        "artifacts_not_readable": gone,
        "now": {"code_version": provenance.code_version(), "installed_packages": provenance.lock_digest()},
    }


def _backup(world: World) -> dict[str, Any]:
    return {"anchored_up_to": world.chain["anchored"], "head": world.chain["head"]}


def _logging(world: World) -> dict[str, Any]:
    return {"chain": dict(world.chain), "all_events_by_kind": dict(sorted(world.history.kinds.items()))}


def _cryptography(world: World) -> dict[str, Any]:
    inventory = {
        "events": "HMAC-SHA256, chained",
        "texts": "AES-256-GCM, one key a subject, wrapped",
        "passports and this evidence": "Ed25519 in a DSSE envelope",
        "artifacts": "SHA-256",
    }
    return {**_encrypted(world), "used_for": inventory}


def _separation(world: World) -> dict[str, Any]:
    targets: dict[str, str] = {}
    for row in world.history.told(["alias.moved"]):
        targets[row["subject"]] = row["facts"]["target"]
    shadows = world.history.kinds["shadow.recorded"]
    return {"names_at_the_end": targets, "answers_by_release": dict(world.history.releases), "shadow_answers": shadows}


def _changes(world: World) -> dict[str, Any]:
    moves = world.history.told(["alias.moved"])
    without = [row["seq"] for row in moves if not row["facts"].get("reason")]
    verdicts = Counter(str(row["facts"].get("decision")) for row in world.history.told(["gate.verdict"]))
    return {"moves": len(moves), "moves_without_a_reason": without, "verdicts": dict(sorted(verdicts.items()))}


def chain_state(ctx: RunContext) -> dict[str, Any]:
    """Whether the chain holds now, how long it is, and up to where it is anchored; a problem is told, not raised."""
    try:
        events, problem = ctx.ledger.verify(), None
    except LedgerError as error:
        events, problem = None, error.sentence("en")
    head, anchored = ctx.ledger.head(), ctx.ledger.anchored()
    return {
        "holds": problem is None,
        "events": events,
        "problem": problem,
        "head": None if head is None else {"seq": head.seq, "mac": head.mac},
        "anchored": None if anchored is None else anchored.seq,
    }


_keys = ("key.created", "key.rotated", "key.revoked")
_gate = ("gate.registered", "gate.verdict", "gate.approved", "gate.declined")
_erased = ("erasure.begun", "person.erased", "data.subject_erased", "row.withdrawn", "release.tainted")
_gone = ("payload.erased", "subject.erased", "payloads.expired", "retention.applied", "artifact.shredded")
_held = ("hold.placed", "hold.lifted")
_consent = ("consent.given", "consent.withdrawn")
QUERIES: Mapping[str, Query] = {
    "access": Query(kinds=(*_keys, "guard.blocked", "guard.lifted"), more=_access),
    "authentication": Query(kinds=_keys, more=_authentication),
    "backup": Query(kinds=(), more=_backup),
    "changes": Query(kinds=("alias.moved", *_gate, "rollout."), more=_changes),
    "coding": Query(kinds=(), more=_configuration),
    "configuration": Query(kinds=("gate.registered", "guard.baseline"), more=_configuration),
    "cryptography": Query(kinds=("passport.key", "key.rotated"), more=_cryptography),
    "deletion": Query(kinds=(*_gone, *_erased, *_held), more=_deletion),
    "leakage": Query(kinds=("guard.", "artifact.exported"), more=_safety),
    "lifecycle": Query(kinds=_gate, more=_changes),
    "logging": Query(kinds=("evidence.made",), more=_logging),
    "monitoring": Query(kinds=("loop.triggered", "loop.cycle", "guard.", "rollout."), more=_safety),
    "privacy": Query(kinds=(*_consent, *_erased, *_held, "subject.erased"), more=_privacy),
    "privileged": Query(kinds=_keys, more=_privileged),
    "records": Query(kinds=("artifact.shredded", *_held), more=_records),
    "restriction": Query(kinds=("artifact.exported",), more=_restriction),
    "separation": Query(kinds=("alias.moved", "rollout."), more=_separation),
}
"""Name -> query. Controls are data (`controls.yaml`) and name one of these."""
