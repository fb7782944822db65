"""Verbs of passports: make one, show and rotate the key that signs, check a file."""

from __future__ import annotations

import contextlib
import hmac
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json
from seekloop.app.passport import Checks
from seekloop.artifact.context import STATE, RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.passport.checking import check as check_passport
from seekloop.artifact.passport.claims import HOPS
from seekloop.artifact.passport.making import Passports, commitments
from seekloop.artifact.passport.page import page
from seekloop.artifact.passport.signing import PublicKeys, open_signer, public_pem
from seekloop.artifact.store import Store
from seekloop.loop.project import Project
from seekloop.system import settings
from seekloop.system.errors import ArtifactError, UsageError
from seekloop.system.files import write_whole

__all__ = ["check", "key", "make"]


def make(*, answer: str, more: Mapping[str, Any], folder: Path, out: Path | None, as_json: bool) -> None:
    """Write and print the passport of an answer."""
    with Project.open(folder).context() as ctx:
        passports = Passports(store=ctx.store, ledger=ctx.ledger, actor=ctx.actor, clock=ctx.clock)
        made = passports.make(answer, texts=more["texts"], leaves=more["leaves"])
    if out is not None:
        write_whole(out, made.data)
    if as_json:
        print_json({"answer": answer, "opening": made.opening, "passport": json.loads(made.data)})
        return
    print(page(made.hops, answer=answer, language=more["language"] or settings.language()))
    if made.opening is not None:
        print(f"opening: {made.opening}", file=sys.stderr)


def key(*, rotate: bool, folder: Path, out: Path | None, as_json: bool) -> None:
    """Show the key that signs, made where there is none; write every public key to a file."""
    with Project.open(folder).context() as ctx:
        signer = open_signer(ctx.ledger, actor=ctx.actor, rotate=rotate)
        pem = public_pem(ctx.ledger)
    if out is not None:
        write_whole(out, pem.encode())
    if as_json:
        print_json({"key": signer.key_id, "public": signer.public, "all": sorted(PublicKeys.of_text(pem).ids)})
    else:
        print(f"key {signer.key_id}\n{signer.public}", end="")


def check(*, file: Path, given: Checks, as_json: bool) -> None:
    """Check a passport, offline or against a store.

    Raises:
        UsageError: there is no public key, or a file cannot be read.
        ArtifactError: something is not as it was signed; the hop is named.
    """
    if given.key is None:
        raise UsageError("passport.key_wanted", path=file)
    with _opened(given.store) as (store, ledger):
        keys = PublicKeys.read(given.key)
        found = check_passport(_bytes(file), keys=keys, where=file, store=store, ledger=ledger)
    if given.text is not None:
        _check_text(given, told=found.evidence["texts"]["digests"])
    read = ["file", *(["store"] if store is not None else []), *(["ledger"] if ledger is not None else [])]
    told = {"verified": True, "answer": found.answer, "key": found.key_id, "made_at": found.made_at}
    if as_json:
        print_json({**told, "hops": list(HOPS), "read": read, "text": given.text is not None})
        return
    print(f"verified: {len(found.hops)} of {len(HOPS)} hops of {found.answer}, signed by {found.key_id[:12]}")
    print(f"read: {', '.join(read)}" + ("; the text is the one that was answered" if given.text else ""))


def _check_text(given: Checks, *, told: Mapping[str, str] | None) -> None:
    assert given.text is not None, "only where a text is given"
    try:
        said = {"asked": [], "answered": _bytes(given.text).decode()}
        made = commitments(said, opening=given.opening or "")["answered"]
    except ValueError as error:
        raise ArtifactError("passport.other_text", where=given.text) from error
    if told is None or not hmac.compare_digest(made, str(told["answered"])):
        raise ArtifactError("passport.other_text", where=given.text)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError("passport.unreadable", path=path, reason=error.strerror) from error


@contextlib.contextmanager
def _opened(folder: Path | None) -> Iterator[tuple[Store | None, Ledger | None]]:
    """The store and ledger of a project, or a store alone."""
    if folder is None:
        yield None, None
    elif (folder / STATE).is_dir():
        with RunContext.in_folder(folder) as ctx:
            yield ctx.store, ctx.ledger
    elif folder.is_dir():
        yield Store(folder), None
    else:
        raise UsageError("passport.unreadable", path=folder, reason="no such folder")
