"""Evidence for an auditor: a folder and a zip, one file a control, digests of all of it, signed.

`manifest.json` names every file with its digest; `signature.json` is a DSSE envelope with an ed25519 signature over the
manifest's digest (the key of passports); and the ledger gets an event `evidence.made` whose subject is that digest, so
that the chain's own signature covers it too. So each byte is one that a check can name.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.passport.envelope import open_envelope, seal
from seekloop.artifact.passport.signing import PublicKeys, open_signer, public_pem
from seekloop.loop.compliance.controls import controls
from seekloop.loop.compliance.history import Period, read_history
from seekloop.loop.compliance.index import index
from seekloop.loop.compliance.queries import QUERIES, World, chain_state
from seekloop.loop.project import ProjectSpec
from seekloop.system import digests
from seekloop.system.errors import ArtifactError, UsageError
from seekloop.system.files import write_whole

__all__ = ["EVENT", "Checked", "Made", "check", "export"]

EVENT = "evidence.made"
"""Kind of the event that an export is; its subject is the manifest's digest."""
MANIFEST, SIGNATURE, KEYS = "manifest.json", "signature.json", "keys.pem"
_predicate = "https://github.com/seekloop/seekloop/evidence/v1"
_statement = "https://in-toto.io/Statement/v1"
_zip_time = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was exported."""

    digest: str
    """Of the manifest."""
    files: int
    empty: tuple[str, ...]
    """Ids of the controls that the period has nothing for."""
    holds: bool
    """Whether the ledger's chain held."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found to be right."""

    digest: str
    files: int
    key_id: str
    own_key: bool
    """Whether the key that was checked with came with the evidence itself: then only that it is whole was shown."""
    recorded: bool | None
    """Whether the ledger has its event; None: no ledger was given."""


def export(out: Path, spec: ProjectSpec, *, period: Period, ctx: RunContext) -> Made:
    """Write the evidence of a period to a new folder `out`, and to `out.zip` beside it.

    Raises:
        UsageError: one of them exists.
        LedgerError: an event was changed, so that it cannot be told; or the ledger has no folder for keys.
    """
    archive = out.with_name(f"{out.name}.zip")
    for path in (out, archive):
        if path.exists():
            raise UsageError("compliance.out_exists", path=path)
    signer = open_signer(ctx.ledger, actor=ctx.actor)
    state = chain_state(ctx)
    world = World(history=read_history(ctx.ledger, period), spec=spec, ctx=ctx, chain=state)
    found = _controls(world)
    files = {name: _bytes(value) for name, value in found.items()}
    for name, language in (("index.md", "en"), ("index.zh.md", "zh")):
        files[name] = index(found, period=period, project=spec.domain, language=language).encode()
    files[KEYS] = public_pem(ctx.ledger).encode()
    manifest = {
        "what": "evidence from a seekloop ledger; only an accredited body certifies an organisation",
        "project": spec.domain,
        "made_at": ctx.clock.now().isoformat(),
        "made_by": ctx.actor,
        "period": period.as_json(),
        "ledger": state,
        "files": {name: digests.of_bytes(data) for name, data in sorted(files.items())},
    }
    files[MANIFEST] = _bytes(manifest)
    digest = digests.of_bytes(files[MANIFEST])
    subject = [{"name": MANIFEST, "digest": {"sha256": digest.removeprefix("sha256:")}}]
    claim = {"made_at": manifest["made_at"], "period": period.as_json()}
    told = {"_type": _statement, "subject": subject, "predicateType": _predicate, "predicate": claim}
    files[SIGNATURE] = seal(told, signer=signer)
    _write(out, files)
    write_whole(archive, _zipped(files))
    ctx.ledger.note(EVENT, digest, facts={**period.as_json(), "files": len(files)}, actor=ctx.actor)
    empty = tuple(value["control"] for value in found.values() if value["nothing"])
    return Made(digest=digest, files=len(files), empty=empty, holds=state["holds"])


def check(path: Path, *, keys: PublicKeys | None = None, ctx: RunContext | None = None) -> Checked:
    """Check a folder or zip of evidence.

    Args:
        path: of it.
        keys: of whoever signed; None: the ledger's where there is one, else those that came with the evidence.
        ctx: the project that it came from, to see that its ledger has the event.

    Raises:
        UsageError: it cannot be read.
        ArtifactError: a file was changed, is missing or too many; or the signature does not hold. It is named.
    """
    files = _read(path)
    for name in (MANIFEST, SIGNATURE, KEYS):
        if name not in files:
            raise ArtifactError("compliance.missing", path=path, file=name)
    manifest = _manifest(files[MANIFEST], where=path)
    _same(files, manifest, where=path)
    if ctx is not None and keys is None and (pem := public_pem(ctx.ledger)):
        keys = PublicKeys.of_text(pem)
    given = keys or PublicKeys.of_text(files[KEYS].decode("ascii"), where=KEYS)
    opened = open_envelope(files[SIGNATURE], keys=given)
    if opened.problem is not None:
        raise ArtifactError("compliance.signature", path=path, problem=opened.problem)
    digest = digests.of_bytes(files[MANIFEST])
    if _signed(opened.statement) != digest:
        raise ArtifactError("compliance.changed", path=path, file=MANIFEST)
    recorded = None if ctx is None else any(True for _ in ctx.ledger.events(kind=EVENT, subject=digest))
    if recorded is False:
        raise ArtifactError("compliance.not_recorded", path=path, digest=digests.short(digest))
    return Checked(digest=digest, files=len(files), key_id=opened.key_id, own_key=keys is None, recorded=recorded)


def _controls(world: World) -> dict[str, dict[str, Any]]:
    """File -> what it holds."""
    found = {}
    for control in controls():
        query = QUERIES[control.query]
        said = query.run(world)
        found[control.file] = {
            "standard": "ISO/IEC 27001:2022 Annex A; the wording is seekloop's own",
            "control": control.id,
            "name": dict(control.name),
            "asks": dict(control.asks),
            "shows": dict(control.shows),
            "does_not_show": dict(control.lacks),
            "period": world.history.period.as_json(),
            "query": {"name": control.query, "kinds": list(query.kinds), "counted_by": query.more.__name__.strip("_")},
            "nothing": not said["rows"] and _is_empty(said["more"]),
            "counts": {"events": said["events"], **said["more"]},
            "rows": said["rows"],
        }
    return found


def _is_empty(value: Any) -> bool:
    """Whether there is nothing in what was counted: zeros, and containers of nothing."""
    if isinstance(value, Mapping):
        return all(_is_empty(one) for one in value.values())
    return not value


def _bytes(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _zip_time), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _read(path: Path) -> dict[str, bytes]:
    try:
        if path.is_dir():
            found = (one for one in path.rglob("*") if one.is_file())
            return {one.relative_to(path).as_posix(): one.read_bytes() for one in found}
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise UsageError("compliance.unreadable", path=path, reason=error) from error


def _manifest(data: bytes, *, where: Path) -> dict[str, str]:
    """File -> digest."""
    try:
        files = json.loads(data)["files"]
        return {str(name): str(digest) for name, digest in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError("compliance.changed", path=where, file=MANIFEST) from error


def _same(files: Mapping[str, bytes], manifest: Mapping[str, str], *, where: Path) -> None:
    for name, digest in manifest.items():
        if name not in files:
            raise ArtifactError("compliance.missing", path=where, file=name)
        if digests.of_bytes(files[name]) != digest:
            raise ArtifactError("compliance.changed", path=where, file=name)
    for name in sorted(set(files) - set(manifest) - {MANIFEST, SIGNATURE}):
        raise ArtifactError("compliance.too_many", path=where, file=name)


def _signed(statement: Mapping[str, Any] | None) -> str | None:
    """Digest of the manifest that was signed."""
    try:
        return f"sha256:{(statement or {})['subject'][0]['digest']['sha256']}"
    except (KeyError, TypeError, IndexError):
        return None
