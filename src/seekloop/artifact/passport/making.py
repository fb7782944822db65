"""Makes an answer's passport: gathers what the store and the ledger have behind it, derives the ten hops, signs.

Texts are committed to, not told: each commitment is an HMAC-SHA256 of the text under 32 random bytes, the opening,
which is given once to whoever had the passport made and kept nowhere. Without it a commitment tells nothing, not even
to somebody who guesses the text; with it, whoever has the text shows that it is the one.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seekloop.artifact import lineage
from seekloop.artifact.kinds import Artifact, Dataset
from seekloop.artifact.ledger import Event, Ledger
from seekloop.artifact.passport.claims import Evidence, hops_of
from seekloop.artifact.passport.envelope import seal
from seekloop.artifact.passport.signing import Signer, open_signer
from seekloop.artifact.rowset import RowSet, rowset_of
from seekloop.artifact.store import Store
from seekloop.system import digests
from seekloop.system.clock import Clock, SystemClock
from seekloop.system.errors import LedgerError

__all__ = ["PREDICATE", "STATEMENT", "Passport", "Passports", "commitments"]

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:seekloop:answer-passport:v1"
_remembered = 64


@dataclass(frozen=True, kw_only=True)
class Passport:
    """A passport that was just made."""

    answer: str
    data: bytes
    """The file."""
    opening: str | None
    """64 hex digits that open its commitments to the texts; None: the texts were erased."""
    hops: list[dict[str, Any]]


class Passports:
    """Makes passports of one project. Safe to share between threads.

    Args:
        store: where the artifacts are.
        ledger: where the events are; opened `in_folder`.
        actor: who signs.
        clock: dates passports.
    """

    def __init__(self, *, store: Store, ledger: Ledger, actor: str = "local", clock: Clock | None = None) -> None:
        self._store = store
        self._ledger = ledger
        self._actor = actor
        self._clock: Clock = clock or SystemClock()
        self._rows: dict[str, RowSet] = {}

    def make(self, answer: str, *, texts: bool = False, leaves: bool = False) -> Passport:
        """The passport of an answer.

        Args:
            answer: its id.
            texts: tell what was asked and answered, with the opening.
            leaves: name every train row with the digest of its line, so that the roots can be computed from the file.

        Raises:
            LedgerError: there is no such answer, something was never recorded, or there is no place for a key.
            ArtifactError: something on the way is missing or was changed; the hop is named.
        """
        signer = open_signer(self._ledger, actor=self._actor)
        found = lineage.gather(answer, store=self._store, ledger=self._ledger)
        said = self._said(answer)
        opening = secrets.token_hex(32)
        value = {
            "artifacts": {artifact.id: artifact.model_dump(mode="json") for artifact in found.artifacts},
            "events": [vars(event) for event in self._with_key(found.events, signer=signer)],
            "rows": self._rowsets(found.artifacts, leaves=leaves),
            "reverse": {one.id: self._made_of(one.id) for one in found.artifacts if isinstance(one, Dataset)},
            "ledger": self._state(),
            "texts": {
                "digests": None if said is None else commitments(said, opening=opening),
                "said": said if texts else None,
                "opening": opening if texts and said is not None else None,
            },
        }
        hops = hops_of(Evidence(value, answer=answer))
        statement = {
            "_type": STATEMENT,
            "subject": [{"name": answer, "digest": {"sha256": _subject_digest(found.events, answer)}}],
            "predicateType": PREDICATE,
            "predicate": {"made_at": self._clock.now().isoformat(), "hops": hops, "evidence": value},
        }
        data = seal(json.loads(digests.canonical(statement)), signer=signer)
        return Passport(answer=answer, data=data, opening=None if said is None else opening, hops=hops)

    def _said(self, answer: str) -> dict[str, Any] | None:
        try:
            found = self._ledger.answer(answer)
        except LedgerError as error:
            if error.code != "artifact.erased":
                raise
            return None
        return {"asked": found.messages, "answered": found.content}

    def _with_key(self, events: tuple[Event, ...], *, signer: Signer) -> list[Event]:
        keys = self._ledger.events(kind="passport.key", subject=signer.key_id)
        known = {event.seq: event for event in (*events, *keys)}
        return [known[seq] for seq in sorted(known)]

    def _rowsets(self, artifacts: tuple[Artifact, ...], *, leaves: bool) -> dict[str, Any]:
        found = {}
        for artifact in artifacts:
            rows = self._rowset(artifact, leaves=leaves) if isinstance(artifact, Dataset) else None
            if rows is not None:
                found[artifact.id] = rows.as_json()
        return found

    def _rowset(self, dataset: Dataset, *, leaves: bool) -> RowSet | None:
        """Read once: a dataset does not change, and a gateway is asked for many answers of one."""
        if leaves:
            return rowset_of(dataset, store=self._store, leaves=True)
        known = self._rows.get(dataset.id)
        if known is None:
            known = rowset_of(dataset, store=self._store)
            if known is not None:
                if len(self._rows) >= _remembered:
                    self._rows.clear()
                self._rows[dataset.id] = known
        return known

    def _made_of(self, identity: str) -> list[str]:
        """Ids of everything that was made of an artifact, and of what was made of that, in the order it is found."""
        found, pending = dict[str, None](), [identity]
        while pending:
            for child in self._ledger.children(pending.pop(0)):
                if child not in found:
                    found[child] = None
                    pending.append(child)
        return list(found)

    def _state(self) -> dict[str, Any]:
        head, anchor = self._ledger.head(), self._ledger.anchored()
        return {
            "head": None if head is None else {"seq": head.seq, "mac": head.mac, "at": head.at},
            "anchor": None if anchor is None else {"seq": anchor.seq, "mac": anchor.mac},
        }


def commitments(said: Mapping[str, Any], *, opening: str) -> dict[str, str]:
    """What is said of texts that are not told: HMAC-SHA256 under the opening.

    Args:
        said: `asked` (the messages) and `answered` (the answer's text).
        opening: 64 hex digits.

    Raises:
        ValueError: the opening is not hex.
    """
    forms: Mapping[str, Callable[[Any], bytes]] = {"asked": digests.canonical, "answered": str.encode}
    key = bytes.fromhex(opening)
    return {
        name: f"hmac-sha256:{hmac.digest(key, name.encode() + bytes(1) + form(said[name]), 'sha256').hex()}"
        for name, form in forms.items()
    }


def _subject_digest(events: tuple[Event, ...], answer: str) -> str:
    """Of the event that recorded the answer, which names the digest of its sealed text."""
    answered = [event for event in events if event.kind == "answer.recorded" and event.subject == answer]
    return digests.of_json(vars(answered[-1])).removeprefix("sha256:")
