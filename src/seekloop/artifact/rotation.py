"""Another master key for the keys that texts are encrypted under; no text is touched, and none is unreadable meanwhile.

The new key lies beside the old one until every key is wrapped under it, which is one transaction of the vault; whoever
reads tries both. Then the event, then the new file takes the old one's place. Killed anywhere, all keys are wrapped
under one of two files that are both there, and the next run goes on where this one stopped.
"""

from __future__ import annotations

from pathlib import Path

from seekloop.artifact.journal import Journal
from seekloop.artifact.vault import Vault
from seekloop.system.errors import LedgerError

__all__ = ["KIND", "prepare", "rotate"]

KIND = "payload_key.rotated"
_subject = "vault"


def prepare(vault: Vault | None) -> Path:
    """Make the next master key, so that it can be given to every machine that shares the vault; where it lies.

    Raises:
        LedgerError: texts are not encrypted here, or by a key service, or it cannot be written.
    """
    path = None if vault is None else vault.prepare_next()
    if path is None:
        raise LedgerError("rotation.no_vault")
    return path


def rotate(journal: Journal, vault: Vault | None, *, said: list[str], actor: str, reason: str) -> int:
    """Wrap every key under a new master key; how many there are.

    Args:
        journal: takes the event, once a new key.
        vault: of the ledger.
        said: the new keys of earlier rotations, as their events name them.
        actor: who does this.
        reason: why.

    Raises:
        LedgerError: texts are not encrypted here, the master key cannot be had or written, or others share the vault
            and do not have the new key yet.
    """
    if vault is None:
        raise LedgerError("rotation.no_vault")

    def record(name: str, keys: int) -> None:
        if name not in said:
            journal.append(KIND, _subject, facts={"key": name, "keys": keys, "reason": reason}, actor=actor)

    return vault.rewrap(record)
