"""The ledger: one append-only chain of signed events, and everything that is read from it.

What the chain shows, and what it does not. Every event carries an HMAC-SHA256 over itself and over the mac of the
event before, under a key that is kept in a file beside the database. Whoever can write to the database but cannot read
the key cannot edit, delete, reorder or insert an event, change an index table, or swap the text of an answer, without
`verify` naming the place. Cutting events off the end leaves a shorter chain that is right in itself: it is found as far
back as the last `anchor`, a signed head in a file of its own; `close` writes one, and copies of that file on other
machines are what makes it strong. A keyed chain proves nothing against whoever holds the key, which on one machine is
whoever runs seekloop there: they can write another history and sign it. Against them, keep the anchors where they
cannot write. Erasing a text is an event; the figures of an erased answer stay. Texts are encrypted under keys that are
not in the database (`payloads`, `vault`): whoever has only the database reads none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from sqlalchemy import select

from seekloop.artifact import audit, evidence, keys, rotation, schema
from seekloop.artifact.anchors import Anchor, Anchors
from seekloop.artifact.answers import AnswerLog
from seekloop.artifact.chain import Chain
from seekloop.artifact.credentials import Credentials
from seekloop.artifact.database import Database
from seekloop.artifact.expiry import Expiry
from seekloop.artifact.holders import Held, Holders
from seekloop.artifact.journal import Journal, stamp
from seekloop.artifact.kinds import Artifact, Receipt
from seekloop.artifact.leases import Leases
from seekloop.artifact.payloads import Payloads
from seekloop.artifact.projection import Kind
from seekloop.artifact.records import Alias, Answer, ArtifactRecord, Event, Feedback, StepRecord, Turn
from seekloop.artifact.registry import Registry
from seekloop.artifact.sketches import Sketches
from seekloop.artifact.usage import UsageTable
from seekloop.artifact.vault import Vault
from seekloop.artifact.wrapping import KeyCommand, KeyFile, Wrapper
from seekloop.system import settings
from seekloop.system.clock import Clock, SystemClock
from seekloop.system.errors import LedgerError

__all__ = ["Alias", "Answer", "ArtifactRecord", "Event", "Feedback", "Ledger", "StepRecord", "Turn"]


class Ledger:
    """Everything that happened, in order, and what follows from it. Safe to share between threads.

    Made by `open` or `in_folder`.
    """

    def __init__(self, journal: Journal, anchors: Anchors | None, vault: Vault | None = None) -> None:
        self._journal = journal
        self._anchors = anchors
        self._vault = vault
        self._payloads = Payloads(journal.chain, vault)
        self._registry = Registry(journal)
        self._answers = AnswerLog(journal, self._payloads)
        self.folder: Path | None = None
        """Where its key files are; None: it was opened by its URL."""
        self._expiry = Expiry(journal, self._payloads, self._answers)
        self.sketches = Sketches(journal.database)
        """What gateways remember of each caller's queries."""
        self.credentials = Credentials(journal)
        """API keys: made, rotated and revoked."""
        self.usage = UsageTable(journal.database)
        """What API keys have used up."""
        self.holders = Holders(journal, self._payloads)
        """Whose texts there are."""
        self.leases = Leases(journal)
        """Who may work on what."""

    @classmethod
    def open(
        cls,
        url: str,
        *,
        key: bytes,
        anchors: Path | None = None,
        vault: Vault | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Open the database at a SQLAlchemy URL, and bring its schema to the newest revision.

        Args:
            url: `sqlite:///PATH` or `postgresql://…`.
            key: signs the events; the same one every time.
            anchors: file of signed heads; None: a cut tail cannot be shown.
            vault: keys that texts are encrypted under; None: they are stored in clear.
            clock: dates the events.

        Raises:
            LedgerError: it cannot be opened, is of a newer revision, or was signed with another key.
        """
        chain = Chain(key)
        journal = Journal(Database(url), chain, clock or SystemClock())
        newest = journal.head()
        if newest is not None and not chain.signed(newest):
            journal.database.close()
            raise LedgerError("artifact.key_wrong", seq=newest[0])
        return cls(journal, Anchors(anchors, chain) if anchors else None, vault)

    @classmethod
    def in_folder(cls, folder: Path, *, clock: Clock | None = None) -> Self:
        """Open a project's ledger: `ledger.db` (or the database of the settings), `ledger.key` and `anchors.jsonl`.

        The key is made where there is no ledger yet. Texts are encrypted under keys in `vault.db` (or the database of
        the settings), wrapped with `payload.key` (or by the command of the settings). Both come with the first text.

        Raises:
            LedgerError: as for `open`, or the key of an existing ledger is gone.
        """
        folder.mkdir(parents=True, exist_ok=True)
        file, key = folder / "ledger.db", folder / "ledger.key"
        # The key is made before the database, so a database without a key is not new: it lost its key.
        if not key.exists() and not file.exists():
            keys.make_key(key)
        url = settings.database_url() or f"sqlite:///{file}"
        command = settings.key_command()
        wrapper: Wrapper = KeyCommand(command) if command else KeyFile(folder / "payload.key")
        vault = Vault(settings.vault_url() or f"sqlite:///{folder / 'vault.db'}", wrapper)
        ledger = cls.open(url, key=keys.read_key(key), anchors=folder / "anchors.jsonl", vault=vault, clock=clock)
        ledger.folder = folder
        return ledger

    def close(self) -> None:
        """Anchor what this object appended, and let go of the database."""
        if self._anchors is not None and self._journal.appended:
            self.anchor()
            self._journal.appended = 0
        if self._vault is not None:
            self._vault.close()
        self._journal.database.close()

    def empty_log(self) -> None:
        """Move what was written from the database's log into its file, beside whoever writes.

        Who records without a pause calls this now and then: else each hundredth batch would wait for it.

        Raises:
            LedgerError: the database cannot be reached, or is full.
        """
        self._journal.database.empty_log()

    # -- events

    def events(
        self, *, kind: str | Sequence[str] | None = None, subject: str | None = None, after: int = 0
    ) -> Iterator[Event]:
        """Events in order, of a kind (or of several) and about a subject where given, from the one after `after`."""
        query = select(schema.event)
        if kind is not None:
            query = query.where(schema.event.c.kind.in_([kind] if isinstance(kind, str) else kind))
        if subject is not None:
            query = query.where(schema.event.c.subject == subject)
        return self._journal.events(query, after=after)

    def event(self, seq: int) -> Event | None:
        """The event with this number; None: there is none.

        Raises:
            LedgerError: it does not carry its signature.
        """
        return self._journal.newest(select(schema.event).where(schema.event.c.seq == seq))

    def head(self) -> Event | None:
        """The newest event; None: nothing happened yet.

        Raises:
            LedgerError: it does not carry its signature.
        """
        return self._journal.newest(select(schema.event))

    def anchored(self) -> Anchor | None:
        """The newest signed head in the anchors file; None: there is none.

        Raises:
            LedgerError: a line of the file was changed.
        """
        return None if self._anchors is None else max(self._anchors.read(), key=lambda one: one.seq, default=None)

    def note(self, kind: str, subject: str, *, facts: Mapping[str, Any], actor: str) -> None:
        """Append an event of a kind of the caller's own, such as `gate.verdict` about a checkpoint.

        Raises:
            ValueError: the kind is one that the ledger writes itself, or the facts are not JSON.
        """
        if kind in [*Kind]:
            raise ValueError(f"{kind} events are written by the ledger's own methods")
        self._journal.append(kind, subject, facts=facts, actor=actor)

    def note_next(
        self,
        kind: str,
        subject: str,
        *,
        facts: Mapping[str, Any],
        actor: str,
        after: Turn,
        move: Alias | None = None,
    ) -> Event:
        """Append an event that follows from what was read, if nothing came in between; and move an alias with it.

        Args:
            kind: one of the caller's own.
            subject: what it is about.
            facts: JSON.
            actor: who decides.
            after: what was read.
            move: where an alias stands afterwards, in the same transaction; its version is the new one.

        Raises:
            LedgerError: something was decided since, or the alias was moved.
            ValueError: the kind is one that the ledger writes itself, or the facts are not JSON.
        """
        if kind in [*Kind]:
            raise ValueError(f"{kind} events are written by the ledger's own methods")
        return self._registry.note_next(kind, subject, facts=facts, actor=actor, after=after, move=move)

    def verify(self) -> int:
        """Check the chain, its anchors, every index row and every payload; returns how many events there are.

        Raises:
            LedgerError: names the first event whose link, index row or payload is not as it was written.
        """
        return audit.verify(self._journal, self._anchors, payloads=self._payloads)

    def anchor(self) -> None:
        """Append the signed head of the chain to the anchors file.

        Raises:
            ValueError: this ledger was opened without one.
        """
        if self._anchors is None:
            raise ValueError("opened without an anchors file")
        newest = self._journal.head()
        if newest is not None:
            self._anchors.append(seq=newest[0], mac=newest[7], at=stamp(self._journal.clock.now()))

    def rebuild(self) -> None:
        """Make the index tables anew from the events."""
        audit.rebuild(self._journal)

    def export(self, *, first: str | None, last: str | None, texts: bool = False) -> Iterator[dict[str, Any]]:
        """The events of a span as lines that prove themselves to whoever holds the key.

        Args:
            first: ISO 8601 time after which they were recorded; None: the beginning.
            last: and until which; None: now.
            texts: whether texts are given in clear, beside their encrypted form.

        Raises:
            LedgerError: a bound is no time, an event was changed, or a text's key cannot be had.
        """
        return evidence.export(self._journal, self._payloads, first=first, last=last, texts=texts)

    def check_export(self, lines: Iterable[tuple[str, str]]) -> int:
        """Check (where, line) of an export of a ledger with this key; returns how many events it holds.

        Raises:
            LedgerError: a line is missing or not as it was written; it is named.
        """
        return evidence.check(self._journal, lines)

    # -- artifacts, aliases, steps

    def record_artifact(self, artifact: Artifact, receipt: Receipt, *, actor: str) -> None:
        """Record that an artifact was made, with its receipt; again is nothing new."""
        self._registry.record_artifact(artifact, receipt, actor=actor)

    def artifacts(self, kind: str | None = None) -> list[ArtifactRecord]:
        """Recorded artifacts, of a kind where given, oldest first."""
        return self._registry.artifacts(kind)

    def created(self, identity: str) -> Event | None:
        """The event that recorded an artifact; it holds the receipt and its digest. None: not recorded."""
        return self._registry.created(identity)

    def children(self, identity: str) -> list[str]:
        """Ids of the recorded artifacts that have this one as a parent, oldest first."""
        return self._registry.children(identity)

    def move_alias(self, name: str, target: str, *, expected_version: int | None, actor: str, reason: str) -> Alias:
        """Make `name` stand for `target`.

        Args:
            name: for example `production`.
            target: id of what it shall stand for.
            expected_version: the version it must be at (0: it must not exist); None: whatever is there.
            actor: who moves it.
            reason: why, for people.

        Raises:
            LedgerError: it is at another version: somebody else moved it first.
        """
        return self._registry.move_alias(name, target, expected_version=expected_version, actor=actor, reason=reason)

    def alias(self, name: str) -> Alias | None:
        """What a name stands for now; None where it was never given."""
        return self._registry.alias(name)

    def alias_history(self, name: str) -> list[Alias]:
        """Every move of a name, oldest first."""
        return self._registry.alias_history(name=name)

    def promotions(self, target: str) -> list[Alias]:
        """Every move of any name to `target`, oldest first."""
        return self._registry.alias_history(target=target)

    def moves_to(self, target: str) -> list[Event]:
        """The event of every move of any name to `target`, oldest first."""
        return self._registry.moves_to(target)

    def record_step(self, *, run: str, name: str, key: str, outputs: Mapping[str, str], actor: str) -> None:
        """Record that a step of a run is finished.

        Args:
            run: id of the run.
            name: of the step.
            key: digest of everything that its result depends on.
            outputs: name -> artifact id.
            actor: who ran it.
        """
        self._registry.record_step(run=run, name=name, key=key, outputs=outputs, actor=actor)

    def find_step(self, key: str) -> dict[str, str] | None:
        """Outputs of the newest finished step with this key, of any run; None where there is none."""
        return self._registry.find_step(key)

    def steps(self, run: str) -> list[StepRecord]:
        """The finished steps of a run, oldest first."""
        return self._registry.steps(run)

    # -- answers and feedback

    def record_answers(self, answers: Sequence[Answer]) -> None:
        """Record a batch of answers in one transaction; an id that is there already is not recorded again."""
        self._answers.record_answers(answers)

    def answer(self, identity: str) -> Answer:
        """One answer.

        Raises:
            LedgerError: there is none with this id, or its text was erased.
        """
        return self._answers.answer(identity)

    def kept_answer(self, identity: str) -> Answer | None:
        """One answer; None where its text was erased.

        Raises:
            LedgerError: there is none with this id.
        """
        try:
            return self._answers.answer(identity)
        except LedgerError as error:
            if error.code != "artifact.erased":
                raise
            return None

    def answered(self, identity: str) -> Event | None:
        """The event that recorded an answer; it is there even when the text was erased."""
        return self._answers.recorded(identity)

    def answers(
        self, *, release: str | None = None, after: str | None = None, limit: int | None = None
    ) -> list[Answer]:
        """Answers in the order they were recorded; those whose text was erased are left out.

        Args:
            release: only this release's.
            after: only those recorded after the answer with this id, or after this ISO 8601 time. An id is exact; a
                time leaves out what is recorded later but was dated earlier by another machine's clock.
            limit: at most so many.

        Raises:
            LedgerError: `after` is neither.
        """
        return self._answers.answers(release=release, after=after, limit=limit)

    def record_feedback(self, feedback: Feedback) -> bool:
        """Record feedback; False where its id was recorded before, and nothing was written.

        Raises:
            LedgerError: there is no such answer, its text was erased, or the id was given to something else.
        """
        (told,) = self._answers.record_feedback([feedback])
        if isinstance(told, LedgerError):
            raise told
        return told

    def record_feedback_batch(self, batch: Sequence[Feedback]) -> list[bool | LedgerError]:
        """Record what can be of a batch, in one transaction; what `record_feedback` would return or raise, for each."""
        return self._answers.record_feedback(batch)

    def scope(self, subject: str) -> str:
        """The pseudonym of a subject, which tells nobody without the ledger's key who they are.

        Args:
            subject: as `payloads.subject_name` writes it.
        """
        return self._payloads.scope(subject)

    def feedback(self, *, answer: str | Collection[str] | None = None, after: str | None = None) -> list[Feedback]:
        """Feedback in the order it was recorded; what was erased is left out.

        Args:
            answer: only on this answer, or on these.
            after: only what was recorded after the feedback with this id, or after this ISO 8601 time.

        Raises:
            LedgerError: `after` is neither.
        """
        return self._answers.feedback(answers=[answer] if isinstance(answer, str) else answer, after=after)

    def record_shadow(self, shadow: Answer, *, of: str) -> bool:
        """Record what another release would have answered: no answer of production, and feedback cannot reach it.

        False where the text of the answer `of` was erased meanwhile, and nothing was written.

        Raises:
            LedgerError: there is no answer `of`.
        """
        return self._answers.record_shadow(shadow, of=of)

    def shadows(self, answer: str) -> list[Answer]:
        """What other releases would have answered in the place of an answer, without what was erased."""
        return self._answers.shadows(answer)

    def erase(self, identity: str, *, actor: str, reason: str) -> None:
        """Destroy the texts of an answer and of the feedback on it, or of one feedback. This is an event itself.

        Raises:
            LedgerError: there is no such answer or feedback.
        """
        self._answers.erase(identity, actor=actor, reason=reason)

    def erase_subject(self, subject: str, *, actor: str, reason: str) -> int:
        """Destroy the keys of a subject, and with them every text of theirs, in copies of the database too.

        Args:
            subject: `payloads.subject_name` of a tenant, of a caller of it, or of a user of that caller.
            actor: who erases.
            reason: why, for people.

        Returns:
            How many texts were here. The figures of their answers stay.

        Raises:
            LedgerError: the vault cannot be had.
        """
        return self._answers.erase_subject(subject, actor=actor, reason=reason)

    def erase_scopes(self, scopes: Collection[str], *, actor: str, reason: str) -> int:
        """As `erase_subject`, of several subjects by their pseudonyms (`holders.scope`)."""
        return sum(self._answers.erase_scope(scope, actor=actor, reason=reason) for scope in sorted(scopes))

    def expiring(self, kind: str, *, before: str, held: Held) -> int:
        """How many texts `expire` would destroy."""
        return self._expiry.count(kind, before=before, held=held)

    def expire(self, kind: str, *, before: str, held: Held, actor: str, reason: str) -> tuple[int, int]:
        """Destroy the texts of a kind of event that were recorded before a moment, and the keys that open no text more.

        Args:
            kind: `answer.recorded` (what was said of an answer and its shadows go with it), `feedback.recorded` or
                `shadow.recorded`.
            before: ISO 8601.
            held: answers whose texts stay.
            actor: who destroys.
            reason: why, for people.

        Returns:
            Texts and keys that were destroyed; events say so, in the same transactions.

        Raises:
            LedgerError: `before` is no time, or the vault cannot be had.
        """
        return self._expiry.expire(kind, before=before, held=held, actor=actor, reason=reason)

    def encrypt(self, *, actor: str) -> int:
        """Encrypt the texts that were recorded before there were keys; returns how many there were."""
        return self._answers.encrypt(actor=actor)

    def rotate_payload_key(self, *, actor: str, reason: str) -> int:
        """Give the keys of texts another master key; how many there are. Killed anywhere, run it again.

        Raises:
            LedgerError: texts are not encrypted here, a master key cannot be had or written, or others share the vault
                and do not have the next one yet.
        """
        said = [str(event.facts["key"]) for event in self.events(kind=rotation.KIND)]
        return rotation.rotate(self._journal, self._vault, said=said, actor=actor, reason=reason)

    def prepare_payload_key(self) -> Path:
        """Make the next master key and leave it beside the one that is used; where it lies.

        Raises:
            LedgerError: texts are not encrypted here, or by a key service, or it cannot be written.
        """
        return rotation.prepare(self._vault)
