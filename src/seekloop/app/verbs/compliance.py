"""The work of `seekloop evidence`, `card` and `sbom`."""

from __future__ import annotations

import json
from pathlib import Path

from seekloop.app.console import print_json
from seekloop.artifact.passport.signing import PublicKeys
from seekloop.loop.compliance import evidence as exports
from seekloop.loop.compliance.card import card_of
from seekloop.loop.compliance.history import Period
from seekloop.loop.compliance.sbom import bill
from seekloop.loop.project import FILE, Project
from seekloop.system import digests, settings
from seekloop.system.errors import UsageError
from seekloop.system.files import write_whole

__all__ = ["card", "check", "evidence", "sbom"]


def evidence(*, out: Path | None, first: str | None, last: str | None, folder: Path, as_json: bool) -> None:
    """Export evidence.

    Raises:
        UsageError: nothing says where to, or that place is taken.
    """
    if out is None:
        raise UsageError("compliance.what", what="")
    project = Project.open(folder)
    with project.context() as ctx:
        made = exports.export(out, project.spec, period=Period.parse(first, last), ctx=ctx)
    if as_json:
        print_json({"out": str(out), "zip": f"{out}.zip", **vars(made)})
        return
    print(f"{out} and {out}.zip: {made.files} files, manifest {digests.short(made.digest)}")
    print(f"nothing in this period: {', '.join(made.empty) or '-'}")
    print(f"the ledger's chain {'holds' if made.holds else 'DOES NOT HOLD: see the manifest'}")
    print("evidence is not a certificate: only an accredited body certifies an organisation")


def check(*, what: str, path: Path | None, key: Path | None, folder: Path, as_json: bool) -> None:
    """Check an export: against the keys given, and against the project's ledger where there is a project.

    Raises:
        UsageError: it is not asked for right.
        ArtifactError: something is not as it was signed; the file is named.
    """
    if what != "check" or path is None:
        raise UsageError("compliance.what", what=what)
    keys = None if key is None else PublicKeys.read(key)
    if (folder / FILE).exists():
        with Project.open(folder).context() as ctx:
            found = exports.check(path, keys=keys, ctx=ctx)
    else:
        found = exports.check(path, keys=keys)
    if as_json:
        print_json({"verified": True, **vars(found)})
        return
    print(f"verified: {found.files} files, manifest {digests.short(found.digest)}, signed by {found.key_id[:12]}")
    if found.own_key:
        print("the key came with the evidence, so this shows that it is whole, not who made it: give --key")
    print({None: "no ledger was asked", True: "the ledger has its event"}[found.recorded or None])


def card(*, identity: str, out: Path | None, language: str | None, folder: Path) -> None:
    """Print or write a card.

    Raises:
        UsageError: a language or kind of artifact that there is no card in.
    """
    project = Project.open(folder)
    with project.context() as ctx:
        text = card_of(identity, language=language or settings.language(), ctx=ctx)
    _give(text, out)


def sbom(*, out: Path | None, release: str | None, folder: Path) -> None:
    """Print or write a bill of materials."""
    if release is None:
        found = bill()
    else:
        with Project.open(folder).context() as ctx:
            found = bill(release=release, ctx=ctx)
    _give(json.dumps(found, ensure_ascii=False, indent=2, sort_keys=True) + "\n", out)


def _give(text: str, out: Path | None) -> None:
    if out is None:
        print(text, end="")
    else:
        write_whole(out, text.encode())
        print(out)
